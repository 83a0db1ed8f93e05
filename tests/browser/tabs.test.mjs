import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, pageTime, ready, seenAt, Stage, until } from './harness.mjs';

/** @import { Page } from './harness.mjs' */

const stage = new Stage();

/** Shorter than the pause after which an order that nobody notices rings again. */
const ONE_RING_MS = 10_000;

/**
 * Tabs of one browser, in each of which somebody has touched the page.
 * @param {string} query
 * @param {number} count
 * @param {(pages: Page[], context: import('playwright-core').BrowserContext) => Promise<void>} story
 */
function withTabs(query, count, story) {
  return stage.onDevice({ query }, async ({ context, page, problems }) => story(await openTabs(query, count, page, problems), context));
}

/** @param {string} query @param {number} count @param {Page} first @param {string[]} problems */
async function openTabs(query, count, first, problems) {
  const context = first.context();
  const others = Array.from({ length: count - 1 }, async () => {
    const page = await context.newPage();
    page.on('pageerror', (error) => problems.push(String(error)));
    await page.goto(`${stage.server.address}/${query}`);
    await ready(page);
    return page;
  });
  const pages = [first, ...(await Promise.all(others))];
  for (const page of pages) await page.click('#orders', { position: { x: 5, y: 5 }, force: true });
  await first.waitForFunction(() => document.getElementById('banner-sound')?.hidden);
  await until(async () => (await stage.server.streams()) === 1, 'one stream');
  return pages;
}

/** Every ring of all tabs, in order. @param {Page[]} pages @returns {Promise<number[]>} */
async function allRings(pages) {
  const each = await Promise.all(pages.map((page) => page.evaluate(() => /** @type {number[]} */ (/** @type {any} */ (window).rings))));
  return each.flat().sort((a, b) => a - b);
}

/** One ring, and no other tab's echo of it. @param {Page[]} pages @param {number} since */
async function ringsOnce(pages, since) {
  const rings = async () => (await allRings(pages)).filter((at) => at >= since);
  await until(async () => (await rings()).length > 0, 'a ring');
  await pageTime(pages[0], 3000);
  const [first, ...more] = await rings();
  assert.deepEqual(more.filter((at) => at - first < ONE_RING_MS).map((at) => at - first), [], 'no second ring');
}

/**
 * The owner of the stream goes: an order of that moment is seen in every tab, heard once, shown once, and the
 * orders before and after it are there as well. How soon is printed; tests/web/tabs.test.mjs holds it to five seconds.
 * @param {Page[]} survivors
 * @param {() => Promise<unknown>} strike
 */
async function survive(survivors, strike) {
  const before = await stage.place();
  await Promise.all(survivors.map((page) => cardOf(page, before, 'new').waitFor()));
  await stage.server.update(before, { acknowledged: true });
  await survivors[0].locator('#alarm').waitFor({ state: 'hidden' });
  await strike();
  const struck = Date.now();
  const during = await stage.place();
  const took = Math.max(...(await Promise.all(survivors.map((page) => seenAt(page, during))))) - struck;
  console.log(`taken over after ${took} ms`);
  await ringsOnce(survivors, struck);
  await stage.server.update(during, { acknowledged: true });
  const after = await stage.place();
  for (const page of survivors) {
    await cardOf(page, after, 'new').waitFor();
    for (const id of [before, during, after]) assert.equal(await page.locator(`.card[data-id="${id}"]`).count(), 1);
  }
  await stage.server.update(after, { acknowledged: true });
  return struck;
}

test('ten tabs on plain HTTP load, stay live on one stream, and sound once', () =>
  withTabs('', 10, async (pages) => {
    await pages[9].bringToFront();
    // A newcomer among the tabs listens before it speaks.
    await pageTime(pages[9], 1500);
    const placed = Date.now();
    const id = await stage.place({ notes: 'for all' });
    await Promise.all(pages.map((page) => cardOf(page, id, 'new').waitFor({ state: 'attached' })));
    await ringsOnce(pages, placed);
    assert.equal(await stage.server.streams(), 1);
  }));

test('a killed shared worker is replaced, without a gap or a second ring', () =>
  withTabs('', 3, async (pages) => {
    const cdp = await stage.browser.newBrowserCDPSession();
    const workers = async () => (await cdp.send('Target.getTargets')).targetInfos.filter(({ type }) => type === 'shared_worker');
    const [worker] = await workers();
    await survive(pages, () => cdp.send('Target.closeTarget', { targetId: worker.targetId }));
    assert.ok(!(await workers()).some(({ targetId }) => targetId === worker.targetId));
    await until(async () => (await stage.server.streams()) === 1, 'one stream again');
  }));

test('without shared workers one tab leads; closed, it is followed at once', () =>
  withTabs('?share=leader', 4, async (pages) => {
    await survive(pages.slice(1), () => pages[0].close());
    await until(async () => (await stage.server.streams()) === 1, 'one stream again');
  }));

test('a frozen leader keeps its lock but not its office, and wakes without a sound', () =>
  withTabs('?share=leader', 3, async (pages, context) => {
    const cdp = await context.newCDPSession(pages[0]);
    await cdp.send('Debugger.enable');
    // Stopped in the debugger, the tab neither runs nor lets go of anything.
    const struck = await survive(pages.slice(1), async () => {
      const paused = new Promise((done) => cdp.once('Debugger.paused', done));
      await cdp.send('Debugger.pause');
      await paused;
    });
    const heard = (await allRings(pages.slice(1))).filter((at) => at >= struck);
    await cdp.send('Debugger.resume');
    const last = stage.placed.at(-1) ?? '';
    await cardOf(pages[0], last, 'new').waitFor();
    await until(async () => (await stage.server.streams()) === 1, 'one stream when it wakes');
    await pageTime(pages[0], 2000);
    assert.deepEqual((await allRings(pages)).filter((at) => at >= struck), heard, 'it has not rung for what was long noticed');
  }));

test('a tab without a way to share has a stream of its own', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page, context }) => {
    const other = await context.newPage();
    await other.goto(`${stage.server.address}/?share=solo`);
    await ready(other);
    await until(async () => (await stage.server.streams()) === 2, 'two streams');
    const id = await stage.place();
    await Promise.all([page, other].map((tab) => cardOf(tab, id, 'new').waitFor()));
    await other.close();
    await until(async () => (await stage.server.streams()) === 1, 'closed with its tab');
  }));
