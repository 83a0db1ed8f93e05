import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, condition, openDialog, press, ready, Stage, until } from './harness.mjs';

const stage = new Stage();

test('a refused stream is no end: any answer but a stream, and the page polls, then streams again', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    const refusals = [
      { status: 503, contentType: 'application/json', body: '{}' },
      { status: 200, contentType: 'text/html', body: '<p>restarting' },
      { status: 204, body: '' },
    ];
    let refused = 0;
    await page.route('**/api/stream-orders*', (route) => route.fulfill(refusals[refused++ % refusals.length]));
    await page.evaluate(() => dispatchEvent(new Event('online')));
    await condition(page, 'polling', 30_000);
    assert.ok(refused >= 3);
    const id = await stage.place();
    await cardOf(page, id, 'new').waitFor();
    await page.unroute('**/api/stream-orders*');
    await condition(page, 'live', 40_000);
  }));

test('an evening in one go: sign in, an order arrives, is moved along, the server restarts, nothing is lost', () =>
  stage.onDevice({}, async ({ page }) => {
    await page.evaluate(() => void (/** @type {any} */ (window).sameVisit = true));
    const first = await stage.place({ customerName: 'Zoë Quill' });
    await page.locator('.toast', { hasText: `New order ${first}` }).waitFor();
    await press(cardOf(page, first, 'new'), 'next');
    await cardOf(page, first, 'preparing').waitFor();
    await page.waitForFunction(() => !document.querySelector('.card[data-pending]'));
    assert.equal((await stage.server.order(first)).status, 'CONFIRMED');
    const before = [await stage.place(), await stage.place()];
    for (const id of before) await cardOf(page, id, 'new').waitFor();

    await stage.server.down();
    await page.waitForFunction(() => document.getElementById('pill')?.dataset.condition !== 'live');
    assert.equal(await cardOf(page, first, 'preparing').isVisible(), true, 'the list stays');
    await stage.server.up();
    // At once, before any screen is back, and again while they come back.
    const meanwhile = await Promise.all([1, 2, 3, 4].map(() => stage.place()));
    await stage.server.update(before[0], { status: 'CONFIRMED', acknowledged: true });
    await condition(page, 'live', 40_000);
    const after = await stage.place();

    for (const id of [before[1], ...meanwhile, after]) await cardOf(page, id, 'new').waitFor();
    for (const id of [first, before[0]]) await cardOf(page, id, 'preparing').waitFor();
    const shown = await page.locator('#board .card').evaluateAll((cards) => cards.map((card) => card.getAttribute('data-id')));
    assert.deepEqual(shown.sort(), [first, ...before, ...meanwhile, after].sort(), 'each once, and no other');
    const said = await page.locator('#say-polite').textContent();
    assert.equal(said?.split(`New order ${after},`).length, 2, 'announced once');
    assert.equal(await page.evaluate(() => /** @type {any} */ (window).sameVisit), true, 'without a reload');
  }));

test('the store goes away behind a living server: it is said, since when, and the list goes stale', () =>
  stage.onDevice({}, async ({ page, context }) => {
    const id = await stage.place();
    await context.addInitScript(() => {
      const page = /** @type {any} */ (window);
      page.EventSource = class extends EventSource {
        /** @param {string} url */
        constructor(url) {
          super(url);
          page.stream = this;
        }
      };
    });
    await page.goto(`${stage.server.address}/?share=solo`);
    await ready(page);
    await page.evaluate(() => {
      const data = JSON.stringify({ state: 'away', since: Date.now() - 185_000, message: 'listener lost' });
      /** @type {any} */ (window).stream.dispatchEvent(new MessageEvent('source', { data }));
    });
    await condition(page, 'away');
    await page.locator('#banner-connection', { hasText: 'has not been updated for 3 min' }).waitFor();
    await page.waitForSelector('body[data-stale]');
    await page.locator('#say-now', { hasText: 'order list is not updating' }).waitFor({ state: 'attached' });
    assert.equal(await cardOf(page, id).isVisible(), true);
    // The next answer of the server says that its source is live.
    await stage.place();
    await condition(page, 'live');
    assert.equal(await page.locator('body[data-stale]').count(), 0);
  }));

test('a deploy offers a reload, and the reload brings a worker of the new version', () =>
  stage.onDevice({}, async ({ page }) => {
    const now = await page.evaluate(() => document.body.dataset.assets ?? '');
    const version = now.split('/').at(-1) ?? '';
    const before = '/static/0123456789ab';
    // The desk as an older version left it: every address of its files is another one.
    await page.route((url) => url.pathname === '/', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replaceAll(version, '0123456789ab') });
    });
    await page.reload();
    await ready(page);
    const cdp = await stage.browser.newBrowserCDPSession();
    const workers = async () => {
      const { targetInfos } = await cdp.send('Target.getTargets');
      return targetInfos.filter(({ type }) => type === 'shared_worker').map(({ url }) => new URL(url).pathname);
    };
    await until(async () => (await workers()).join() === `${before}/js/tabs/shared-worker.js`, 'the old worker alone');
    assert.equal(await page.locator('#banner-version').isVisible(), false);
    await stage.server.down();
    await stage.server.up();
    await page.locator('#banner-version').waitFor({ timeout: 40_000 });
    await page.unrouteAll();
    await page.click('#reload');
    await until(async () => (await workers()).join() === `${now}/js/tabs/shared-worker.js`, 'the new worker alone');
    await ready(page);
    const id = await stage.place();
    await cardOf(page, id, 'new').waitFor();
    assert.equal(await page.locator('#banner-version').isVisible(), false);
  }));

test('a session ended elsewhere: the list stays and the way back is shown', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    await cardOf(page, id, 'new').waitFor();
    const other = await stage.signIn();
    try {
      await openDialog(other.page, 'account');
      await other.page.click('#revoke');
      await other.page.locator('#revoke-result[data-kind=good]').waitFor();
      await condition(page, 'ended', 70_000);
      assert.equal(await cardOf(page, id).isVisible(), true);
      assert.equal(await page.locator('#banner-connection a').getAttribute('href'), '/login');
    } finally {
      await other.context.close();
    }
  }));
