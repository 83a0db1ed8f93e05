import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, press, ready, rewriteState, rings, Stage } from './harness.mjs';

const stage = new Stage();

test('a page without room for all orders fetches the rest once, and tells no figure before', () =>
  stage.onDevice({}, async ({ page }) => {
    const waiting = [await stage.place({ customerName: 'Ana' }), await stage.place({ customerName: 'Bo' })];
    const done = await stage.place({ customerName: 'Zoe', totalAmount: 40 });
    for (const id of waiting) await press(cardOf(page, id, 'new'), 'ack');
    await stage.server.update(done, { status: 'COMPLETED', acknowledged: true });
    await rewriteState(page, (state) => {
      state.orders = state.orders.filter(({ id }) => id === waiting[0]);
      Object.assign(state, { more: true, limit: state.window });
    });
    let asked = 0;
    /** @type {() => void} */
    let release = () => {};
    const held = new Promise((/** @type {(value?: unknown) => void} */ resolve) => (release = () => resolve()));
    await page.route((url) => url.pathname === '/api/admin/orders/recent' && url.searchParams.has('limit'), async (route) => {
      asked += 1;
      if (asked === 1) return route.fulfill({ status: 503, body: '{}' });
      await held;
      await route.continue();
    });
    await page.reload();
    await ready(page);
    await cardOf(page, waiting[0], 'new').waitFor();
    assert.equal(await page.textContent('#day-orders'), '…');
    assert.equal(await page.textContent('#day-note'), 'Loading earlier orders…');
    await page.fill('#search', 'zoe');
    await page.locator('#count', { hasText: 'Loading earlier orders…' }).waitFor();
    await page.click('.views [data-view=history]');
    await page.locator('#history-empty', { hasText: 'Loading earlier orders…' }).waitFor();
    await page.click('#menu summary');
    await page.click('#csv');
    await page.locator('.toast', { hasText: 'Loading earlier orders…' }).waitFor();
    release();
    await page.locator(`#history-rows tr[data-id="${done}"]`).waitFor();
    await page.locator('#count', { hasText: '1 order' }).waitFor();
    await page.locator('#day-orders', { hasText: '3' }).waitFor();
    assert.equal(await page.textContent('#day-revenue'), '$50.00');
    assert.equal(asked, 2, 'one that failed, and one');
    assert.equal(await page.locator('.toast[data-kind=new]').count(), 0);
    assert.equal(await rings(page), 0);
    await page.keyboard.press('Escape');
    await page.fill('#search', '');
    await page.click('.views [data-view=board]');
    await cardOf(page, waiting[1], 'new').waitFor();
  }));

test('a card, a row, a ticket and the window say how many items they leave out', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    const items = Array.from({ length: 9 }, (_, n) => ({ productName: `Item ${n}`, productPrice: '$1', quantity: 1 }));
    const id = await stage.place({ items });
    await rewriteState(page, (state) => {
      for (const card of state.orders) if (card.id === id) Object.assign(card, { items: card.items.slice(0, 3), moreItems: 6 });
    });
    await page.reload();
    await ready(page);
    const card = cardOf(page, id, 'new');
    await card.locator('.more', { hasText: '6 more items' }).waitFor();
    await page.evaluate(() => {
      window.print = () => {
        document.body.dataset.printed = 'yes';
      };
    });
    await press(card, 'print');
    await page.waitForSelector('body[data-printed]');
    assert.match((await page.textContent('#ticket')) ?? '', /and 6 more items: see the desk/);
    await card.locator('[data-act=open]').first().click();
    await page.locator('#detail .detail-items tbody tr').nth(8).waitFor();
    assert.doesNotMatch((await page.textContent('#detail')) ?? '', /more items/, 'the whole order has them');
    await page.keyboard.press('Escape');
    await page.click('.views [data-view=history]');
    await page.locator(`#history-rows tr[data-id="${id}"] .items`, { hasText: '6 more items' }).waitFor({ state: 'attached' });
  }));
