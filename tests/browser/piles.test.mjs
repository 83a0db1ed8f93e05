import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, cardOf, pageTime, press, ready, rewriteState, rings, Stage, until, withAxe } from './harness.mjs';

/** @import { Page } from './harness.mjs' */

const stage = new Stage();
const BAD = '00000000000000ff';

/** @param {object} order */
function isBad(order) {
  return /** @type {any} */ (order).customerName === 'Flood';
}

/**
 * The orders of one customer come from one address, as far as the desk is told.
 * @param {Page} page
 */
async function withSource(page) {
  await rewriteState(page, (state) => {
    for (const card of state.orders) if (isBad(card)) card.source = BAD;
  });
  await page.route('**/api/admin/orders/**', async (route) => {
    const answer = await route.fetch();
    const body = await answer.json().catch(() => null);
    for (const card of [...(body?.orders ?? []), ...(body?.order ? [body.order] : [])]) if (isBad(card)) card.source = BAD;
    await route.fulfill({ response: answer, json: body });
  });
}

test('a flood is one row above the real orders, one toast, one in the alarm; shown, folded and rejected at a stroke', () =>
  stage.onDevice({ query: '?share=solo', reducedMotion: 'reduce' }, async ({ page, context }) => {
    await withAxe(context);
    await withSource(page);
    const real = await stage.place({ customerName: 'Ana' });
    for (let n = 0; n < 40; n++) await stage.place({ customerName: 'Flood' });
    await page.reload();
    await ready(page);
    const row = page.locator('#floods .pile');
    await row.locator('strong', { hasText: '40 new orders from one sender in a minute' }).waitFor();
    await page.locator('.toast', { hasText: '40 new orders from one sender' }).waitFor();
    assert.equal(await page.locator('#lane-new .card').count(), 1);
    await accessible(page, 'flood');
    await page.locator('#alarm-text', { hasText: '2 orders wait for you' }).waitFor();
    assert.match(await page.title(), /^\(2\)/);
    await page.fill('#search', 'flood');
    await page.waitForFunction(() => document.querySelectorAll('#lane-new .card').length === 40);
    await page.fill('#search', '');

    // The flood goes on; a real order in it is seen, told and heard as ever.
    const flooded = await stage.place({ customerName: 'Flood' });
    await row.locator('strong', { hasText: '41 new orders' }).waitFor();
    await page.click('#alarm-snooze');
    const heard = await rings(page);
    const second = await stage.place({ customerName: 'Bo' });
    await cardOf(page, second, 'new').waitFor();
    await page.waitForFunction((n) => /** @type {any} */ (window).rings.length > n, heard);
    assert.equal(await page.locator('.toast', { hasText: flooded }).count(), 0);

    await row.locator('[data-do=show]').click();
    await page.waitForFunction(() => document.querySelectorAll('#lane-new .card').length === 43);
    await row.locator('[data-do=show]').click();
    await page.waitForFunction(() => document.querySelectorAll('#lane-new .card').length === 2);

    await row.locator('[data-do=ask]').dblclick();
    await row.locator('strong', { hasText: 'Reject 41 orders?' }).waitFor();
    await accessible(page, 'flood, asking');
    await row.locator('[data-do=keep]').click();
    assert.equal(await row.locator('[data-do=ask]').evaluate((button) => button === document.activeElement), true);
    await row.locator('[data-do=ask]').click();
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-do')), 'keep');
    await pageTime(page, 500);
    await stage.server.update(flooded, { status: 'CONFIRMED' });
    await page.route(`**/api/admin/orders/${flooded}?view=desk`, (route) => route.fulfill({ status: 503, body: '{}' }));
    await row.locator('[data-do=confirm]').click();
    await page.locator('.toast', { hasText: '40 orders rejected, 1 failed' }).waitFor();
    await row.waitFor({ state: 'detached' });
    const statuses = await Promise.all(stage.placed.map(async (id) => (await stage.server.order(id)).status));
    assert.deepEqual(statuses.filter((status) => status === 'CANCELLED').length, 40);
    assert.equal((await stage.server.order(real)).status, 'PENDING');
    assert.equal((await stage.server.order(flooded)).status, 'CONFIRMED');
    await press(cardOf(page, real, 'new'), 'next');
    await cardOf(page, real, 'preparing').waitFor();
  }));

test('a flood that grows before one\'s eyes is folded at the twentieth order', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    await withSource(page);
    await page.reload();
    await ready(page);
    for (let n = 0; n < 25; n++) await stage.place({ customerName: 'Flood' });
    await page.locator('#floods .pile strong', { hasText: '25 new orders from one sender in a minute' }).waitFor();
    await page.waitForFunction(() => document.querySelectorAll('#lane-new .card').length === 0);
    assert.equal(await page.locator('[data-count=new]').first().textContent(), '25');
    assert.equal(await page.locator('.toast[data-kind=new]').count(), 1);
    await page.click('#alarm-show');
    assert.equal(await page.evaluate(() => document.activeElement?.closest('.pile') !== null), true);
    await page.click('#alarm-ack');
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    await page.locator('#floods .pile').waitFor();
  }));

test('orders that were forgotten are counted, shown and closed', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    const old = [await stage.place(), await stage.place(), await stage.place()];
    const fresh = await stage.place();
    await rewriteState(page, (state) => {
      for (const card of state.orders) if (old.includes(card.id)) Object.assign(card, { timestamp: card.timestamp - 8 * 86_400_000, createdAt: card.createdAt - 8 * 86_400_000 });
    });
    await page.reload();
    await ready(page);
    const line = page.locator('#old-orders .pile');
    await line.locator('strong', { hasText: '3 open orders are older than 7 days' }).waitFor();
    await line.locator('[data-do=show]').click();
    await cardOf(page, fresh).waitFor({ state: 'detached' });
    assert.equal(await page.locator('#board .card').count(), 3);
    await line.locator('[data-do=ask]').click();
    await line.locator('strong', { hasText: 'Close 3 orders?' }).waitFor();
    await pageTime(page, 500);
    await line.locator('[data-do=confirm]').click();
    await page.locator('.toast', { hasText: '3 orders closed' }).waitFor();
    await line.waitFor({ state: 'detached' });
    await cardOf(page, fresh, 'new').waitFor();
    for (const id of old) assert.equal((await stage.server.order(id)).status, 'COMPLETED');
    assert.equal((await stage.server.order(fresh)).status, 'PENDING');
  }));

test('open orders that a desk cannot hold are told, and the banner goes when they fit again', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    let hidden = 113;
    await rewriteState(page, (state) => void Object.assign(state, { openTotal: 2613, openHidden: hidden }));
    await page.route('**/api/admin/orders/recent?*', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), openTotal: 2500 + hidden, openHidden: hidden } });
    });
    await page.reload();
    await ready(page);
    await page.locator('#banner-hidden', { hasText: '2,613 orders are open. 113 are not shown' }).waitFor();
    hidden = 0;
    await stage.place();
    await page.locator('#banner-hidden').waitFor({ state: 'hidden' });
    await until(async () => (await page.locator('#lane-new .card').count()) === 1, 'the order');
  }));
