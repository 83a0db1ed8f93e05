import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, pageTime, ready, Stage, until } from './harness.mjs';

/** @import { Page } from './harness.mjs' */

const stage = new Stage();
const MINUTE = 60_000;

/** Sets the clock of whatever runs it, as the device's owner or a time server would. @param {number} by ms */
function setClock(by) {
  const scope = /** @type {any} */ (globalThis);
  const True = (scope.TrueDate ??= Date);
  scope.clockBy = (scope.clockBy ?? 0) + by;
  scope.Date = class extends True {
    /** @param {...any} parts */
    constructor(...parts) {
      if (parts.length === 0) super(True.now() + scope.clockBy);
      else super(...parts);
    }

    static now() {
      return True.now() + scope.clockBy;
    }
  };
}

/** On the whole device: in all of its tabs and in the worker that they share. @param {Page[]} pages @param {number} by */
async function setClockOf(pages, by) {
  await Promise.all(pages.map((page) => page.evaluate(setClock, by)));
  const cdp = await stage.browser.newBrowserCDPSession();
  const { targetInfos } = await cdp.send('Target.getTargets');
  const worker = targetInfos.find(({ type }) => type === 'shared_worker');
  assert.ok(worker);
  const { sessionId } = await cdp.send('Target.attachToTarget', { targetId: worker.targetId, flatten: false });
  /** @type {Promise<any>} */
  const answered = new Promise((done) => {
    cdp.on('Target.receivedMessageFromTarget', ({ message }) => {
      const answer = JSON.parse(message);
      if (answer.id === 1) done(answer.result);
    });
  });
  const expression = `(${setClock})(${by}); Date.now()`;
  await cdp.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }) });
  const { result } = await answered;
  const page = await pages[0].evaluate(() => Date.now());
  assert.ok(Math.abs(result.value - page) < MINUTE / 2, 'tabs and worker show the same time');
  await cdp.detach();
}

/** Every ring of all tabs since then. @param {Page[]} pages @param {number} since */
async function ringsSince(pages, since) {
  const each = await Promise.all(pages.map((page) => page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (window).rings))));
  return each.flat().filter((at) => at >= since).sort((a, b) => a - b);
}

/**
 * An order of this moment is heard long before the clock makes up for what it was set by, from one tab. How soon is printed;
 * tests/web/bell.test.mjs holds it to a second.
 * @param {Page[]} pages
 */
async function ringsAtOnce(pages) {
  const placed = Date.now();
  const id = await stage.place();
  await until(async () => (await ringsSince(pages, placed)).length > 0, 'a ring');
  await pageTime(pages[0], 1500);
  const rings = await ringsSince(pages, placed);
  console.log(`heard after ${rings[0] - placed} ms`);
  assert.equal(rings.filter((at) => at - rings[0] < 1400).length, 1, `in one tab: ${rings}`);
  for (const page of pages) await cardOf(page, id, 'new').waitFor();
  return id;
}

test('the device\'s clock is set back and forth: a new order rings, in one tab', () =>
  stage.onDevice({}, async ({ context, page, problems }) => {
    const other = await context.newPage();
    other.on('pageerror', (error) => problems.push(String(error)));
    await other.goto(`${stage.server.address}/`);
    await ready(other);
    const pages = [page, other];
    for (const tab of pages) await tab.click('#orders', { position: { x: 5, y: 5 }, force: true });
    await page.waitForFunction(() => document.getElementById('banner-sound')?.hidden);
    await pageTime(page, 1500);
    await ringsAtOnce(pages);
    for (const by of [-MINUTE, 60 * MINUTE, -45 * MINUTE]) {
      // The last ring has to be over, or the next order would belong to it.
      await pageTime(page, 2000);
      await setClockOf(pages, by);
      const id = await ringsAtOnce(pages);
      await page.waitForSelector('#pill[data-condition="live"]');
      const age = await cardOf(page, id).locator('[data-f=age-text]').textContent();
      assert.match(age ?? '', /^0:0\d$/, 'ages follow the server, not the clock');
    }
  }));
