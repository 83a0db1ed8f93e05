import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cardOf, openBrowser, ready, Server, signIn } from './harness.mjs';

/** @type {Server} */
let server;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  browser = await openBrowser();
  server = await Server.start({ ORDERBELL_STREAM__HEARTBEAT_SECONDS: '2' });
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** @param {() => Promise<boolean>} check @param {string} what @param {number} [ms] */
async function until(check, what, ms = 10_000) {
  const end = Date.now() + ms;
  while (!(await check())) {
    if (Date.now() > end) assert.fail(`never: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** @param {import('playwright-core').Page[]} pages @returns {Promise<number[][]>} */
function allRings(pages) {
  return Promise.all(pages.map((page) => page.evaluate(() => /** @type {any} */ (window).rings)));
}

/** @param {string} query @param {number} count */
async function openTabs(query, count) {
  const { context, page } = await signIn(browser, server, { query });
  const pages = [page];
  while (pages.length < count) {
    const next = await context.newPage();
    await next.goto(`${server.address}/${query}`);
    await ready(next);
    pages.push(next);
  }
  return { context, pages };
}

test('ten tabs on plain HTTP load, stay live on one stream, and sound once', async () => {
  const { context, pages } = await openTabs('', 10);
  await until(async () => (await server.streams()) === 1, 'one stream');
  await pages[9].bringToFront();
  for (const page of pages) await page.click('#orders', { position: { x: 5, y: 5 }, force: true });
  await until(async () => (await pages[0].evaluate(() => document.getElementById('banner-sound')?.hidden)) === true, 'sound');
  await new Promise((done) => setTimeout(done, 1500));
  const id = await server.submit({ notes: 'for all' });
  const placed = Date.now();
  await Promise.all(pages.map((page) => cardOf(page, id, 'new').waitFor({ state: 'attached', timeout: 5000 })));
  await until(async () => (await allRings(pages)).flat().length > 0, 'a ring');
  await until(async () => Date.now() - placed > 3000, 'time for a second ring');
  assert.equal((await allRings(pages)).flat().length, 1, 'exactly one tab sounds');
  await server.update(id, { acknowledged: true });
  await context.close();
});

test('a shared worker that falls silent is replaced within five seconds, without a gap or a second ring', async () => {
  const { context, pages } = await openTabs('', 3);
  const id = await server.submit();
  await Promise.all(pages.map((page) => cardOf(page, id, 'new').waitFor()));
  await server.update(id, { acknowledged: true });
  const cdp = await browser.newBrowserCDPSession();
  const workers = async () => (await cdp.send('Target.getTargets')).targetInfos.filter(({ type }) => type === 'shared_worker');
  const [worker] = await workers();
  assert.ok(worker);
  await cdp.send('Target.closeTarget', { targetId: worker.targetId });
  const killed = Date.now();
  const during = await server.submit();
  await Promise.all(pages.map((page) => cardOf(page, during, 'new').waitFor({ timeout: 8000 })));
  assert.ok(Date.now() - killed < 6500, `${Date.now() - killed} ms`);
  assert.ok(!(await workers()).some(({ targetId }) => targetId === worker.targetId));
  await until(async () => (await server.streams()) === 1, 'one stream again');
  for (const page of pages) assert.equal(await page.locator(`.card[data-id="${during}"]`).count(), 1);
  await server.update(during, { acknowledged: true });
  await context.close();
});

test('without shared workers a leader shares its stream; closed, it is followed at once', async () => {
  const { context, pages } = await openTabs('?share=leader', 4);
  await until(async () => (await server.streams()) === 1, 'one stream');
  await pages[0].close();
  const closed = Date.now();
  const rest = pages.slice(1);
  const id = await server.submit({ notes: 'after the leader' });
  await Promise.all(rest.map((page) => cardOf(page, id, 'new').locator('.card-notes', { hasText: 'after the leader' }).waitFor()));
  assert.ok(Date.now() - closed < 5000);
  await until(async () => (await server.streams()) === 1, 'one stream again');
  await server.update(id, { acknowledged: true });
  await context.close();
});

test('a frozen leader keeps its lock but not its office', async () => {
  const { context, pages } = await openTabs('?share=leader', 3);
  const cdp = await context.newCDPSession(pages[0]);
  // Stopped in the debugger, the tab neither runs nor lets go of anything.
  await cdp.send('Debugger.enable');
  await cdp.send('Debugger.pause');
  const stuck = pages[0].evaluate(() => 0).catch(() => 0);
  const frozen = Date.now();
  const id = await server.submit();
  await Promise.all(pages.slice(1).map((page) => cardOf(page, id, 'new').waitFor({ timeout: 9000 })));
  assert.ok(Date.now() - frozen < 7000, `${Date.now() - frozen} ms`);
  await cdp.send('Debugger.resume').catch(() => {});
  await stuck;
  await cardOf(pages[0], id, 'new').waitFor();
  await until(async () => (await server.streams()) === 1, 'one stream when it wakes');
  await server.update(id, { acknowledged: true });
  await context.close();
});
