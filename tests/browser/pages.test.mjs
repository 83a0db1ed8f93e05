import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { axePath, cardOf, openBrowser, Server, signIn } from './harness.mjs';

/** @type {Server} */
let server;
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  browser = await openBrowser();
  server = await Server.start();
});
after(async () => {
  await browser?.close();
  await server?.remove();
});

/** @param {import('playwright-core').Page} page @param {string} where */
async function accessible(page, where) {
  // Colours are judged when they have settled.
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => (animation.effect?.getTiming().iterations === Infinity ? animation.cancel() : animation.finished.catch(() => {})))));
  const { violations } = await page.evaluate(() => /** @type {any} */ (window).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(violations.map((/** @type {any} */ { id, nodes }) => [where, id, nodes.slice(0, 3).map((/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.failureSummary?.slice(0, 200)}`)]), []);
}

/** Axe as an extension would put it there: the page's own rules forbid foreign scripts. @param {import('playwright-core').BrowserContext} context */
async function withAxe(context) {
  await context.addInitScript({ path: axePath });
}

for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  test(`no page offends axe, ${scheme}`, async () => {
    const context = await browser.newContext({ colorScheme: scheme });
    await withAxe(context);
    const page = await context.newPage();
    await page.goto(`${server.address}/login`);
    await accessible(page, 'sign-in');
    await page.fill('#email', 'a@b.example');
    await page.fill('#password', 'wrong');
    await page.click('button[type=submit]');
    await page.waitForSelector('.problem');
    await accessible(page, 'sign-in refused');
    await page.goto(`${server.address}/nowhere`);
    await accessible(page, 'error');
    await context.close();

    const device = await signIn(browser, server, { colorScheme: scheme, reducedMotion: 'reduce' });
    await withAxe(device.context);
    await device.page.reload();
    await device.page.waitForSelector('html[data-ready]');
    await accessible(device.page, 'empty desk');
    const first = await server.submit({ notes: 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' });
    const second = await server.submit();
    const third = await server.submit();
    await cardOf(device.page, third, 'new').waitFor();
    await accessible(device.page, 'alarm');
    await cardOf(device.page, second, 'new').locator('[data-act=next]').click();
    await server.update(third, { status: 'CANCELLED', acknowledged: true });
    await device.page.locator('.card[data-mark=cancelled]').waitFor();
    await cardOf(device.page, first, 'new').locator('[data-act=ack]').click();
    await device.page.locator('#alarm').waitFor({ state: 'hidden' });
    await accessible(device.page, 'board');
    await cardOf(device.page, first).locator('[data-act=open]').first().click();
    await device.page.locator('#detail details summary').click();
    await accessible(device.page, 'detail');
    await device.page.locator('#detail [data-do=cancel]').click();
    await accessible(device.page, 'detail, asking');
    await device.page.keyboard.press('Escape');
    for (const name of ['settings', 'account', 'keys']) {
      await device.page.click('#menu summary');
      await device.page.click(`[data-dialog=${name}]`);
      if (name === 'account') await device.page.locator('#sessions li').first().waitFor();
      await accessible(device.page, name);
      await device.page.keyboard.press('Escape');
    }
    await device.page.click('.views [data-view=history]');
    await accessible(device.page, 'history');
    await device.page.setViewportSize({ width: 360, height: 740 });
    await accessible(device.page, 'history on a phone');
    await device.page.click('#tab-new');
    await accessible(device.page, 'board on a phone');
    server.unplug();
    await device.page.waitForSelector('body[data-stale]');
    await accessible(device.page, 'offline');
    assert.deepEqual(device.problems, []);
    await device.context.close();
    await server.plugIn();
    for (const id of [first, second]) await server.update(id, { status: 'COMPLETED', acknowledged: true });
  });
}

test('the page weighs less than 60 kB, compressed', async () => {
  const { page, context } = await signIn(browser, server);
  /** @type {Set<string>} */
  const paths = new Set(['/']);
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/static/')) paths.add(pathname);
  });
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  const script = [...paths].find((path) => path.endsWith('js/main.js')) ?? '';
  // What the shared worker loads, which no page sees.
  for (const name of ['tabs/shared-worker', 'tabs/hub', 'feed/drive', 'feed/machine', 'feed/backoff']) paths.add(script.replace('main', name));
  let total = 0;
  for (const path of paths) {
    const answer = await context.request.get(server.address + path);
    assert.equal(answer.status(), 200, path);
    if (!path.endsWith('.png')) assert.ok(answer.headers()['content-encoding'], `${path} is served compressed`);
    total += gzipSync(await answer.body(), { level: 9 }).length;
  }
  console.log(`${paths.size} files, ${total} bytes`);
  assert.ok(paths.size > 40 && total < 60_000, `${paths.size} files, ${total} bytes`);
  await context.close();
});

test('five hundred orders are filtered and scrolled without jank', async () => {
  const { page, context } = await signIn(browser, server);
  const orders = Array.from({ length: 500 }, (_, n) => ({ customerName: `Customer ${n}`, totalAmount: n, notes: n % 7 ? '' : 'no onions' }));
  for (let at = 0; at < orders.length; at += 20) await Promise.all(orders.slice(at, at + 20).map((order) => server.submit(order)));
  await page.waitForFunction(() => document.querySelectorAll('#board .card').length >= 490, null, { timeout: 30_000 });
  await page.reload();
  await page.waitForSelector('html[data-ready]');
  const longest = await page.evaluate(async () => {
    let worst = 0;
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) worst = Math.max(worst, entry.duration);
    });
    observer.observe({ type: 'longtask' });
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
    for (const text of ['c', 'customer 4', 'customer 49', '']) {
      search.value = text;
      search.dispatchEvent(new Event('input'));
      await frame();
      await frame();
    }
    for (let y = 0; y < 8000; y += 400) {
      scrollTo(0, y);
      await frame();
    }
    await frame();
    observer.disconnect();
    return worst;
  });
  console.log(`longest task: ${Math.round(longest)} ms`);
  assert.ok(longest < 400, `${longest} ms`);
  await context.close();
});
