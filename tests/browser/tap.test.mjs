import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, pageTime, Stage, steady } from './harness.mjs';

/** @import { Page } from './harness.mjs' */

const stage = new Stage();

/**
 * Orders at the top of the first column, oldest first, all there for a while; and where the first one's button is.
 * @param {Page} page @param {number} count @param {string} [act]
 */
async function stacked(page, count, act = 'next') {
  /** @type {string[]} */
  const ids = [];
  for (let n = 0; n < count; n++) ids.push(await stage.place());
  for (const id of ids) await steady(cardOf(page, id, 'new'));
  const box = await cardOf(page, ids[0], 'new').locator(`[data-act=${act}]`).boundingBox();
  assert.ok(box);
  return { ids, x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** @param {string[]} ids */
async function statuses(ids) {
  return Promise.all(ids.map(async (id) => (await stage.server.order(id)).status));
}

/** What is under the pointer. @param {Page} page @param {{x: number, y: number}} at */
function orderAt(page, { x, y }) {
  return page.evaluate(([left, top]) => document.elementFromPoint(left, top)?.closest('[data-id]')?.getAttribute('data-id'), [x, y]);
}

test('two taps 220 ms apart accept one order, the second one is seen to be ignored', () =>
  stage.onDevice({}, async ({ page }) => {
    const { ids, x, y } = await stacked(page, 3);
    await page.mouse.click(x, y);
    await pageTime(page, 220);
    assert.equal(await orderAt(page, { x, y }), ids[1], 'the next order has taken its place');
    await page.mouse.click(x, y);
    await page.locator(`.card[data-id="${ids[1]}"][data-settling]`).waitFor();
    await pageTime(page, 1000);
    assert.deepEqual(await statuses(ids), ['CONFIRMED', 'PENDING', 'PENDING']);
    assert.equal(await page.locator('[data-settling]').count(), 0);
  }));

test('two taps 500 ms apart accept two orders', () =>
  stage.onDevice({}, async ({ page }) => {
    const { ids, x, y } = await stacked(page, 3);
    await page.mouse.click(x, y);
    await cardOf(page, ids[0], 'preparing').waitFor();
    await pageTime(page, 500);
    await page.mouse.click(x, y);
    await cardOf(page, ids[1], 'preparing').waitFor();
    await page.waitForFunction(() => !document.querySelector('.card[data-pending]'));
    assert.deepEqual(await statuses(ids), ['CONFIRMED', 'CONFIRMED', 'PENDING']);
  }));

test('a colleague moves another order under the finger: it is not accepted', () =>
  stage.onDevice({}, async ({ page }) => {
    const { ids, x, y } = await stacked(page, 2);
    await page.mouse.move(x, y);
    await stage.server.update(ids[0], { status: 'CONFIRMED', acknowledged: true });
    await page.waitForFunction(([left, top, id]) => document.elementFromPoint(Number(left), Number(top))?.closest('[data-id]')?.getAttribute('data-id') === id, [x, y, ids[1]]);
    await page.mouse.click(x, y);
    await pageTime(page, 1000);
    assert.deepEqual(await statuses(ids), ['CONFIRMED', 'PENDING']);
  }));

test('a double tap does one thing to one order: no acknowledging and accepting, no two steps', () =>
  stage.onDevice({}, async ({ page }) => {
    const { ids, x, y } = await stacked(page, 1, 'ack');
    await page.mouse.dblclick(x, y);
    await pageTime(page, 600);
    const order = await stage.server.order(ids[0]);
    assert.deepEqual([order.acknowledged, order.status], [true, 'PENDING']);
    await stage.server.update(ids[0], { status: 'CONFIRMED' });
    const card = cardOf(page, ids[0], 'preparing');
    await steady(card);
    await card.locator('[data-act=next]').dblclick();
    await pageTime(page, 600);
    assert.deepEqual(await statuses(ids), ['PREPARING_ORDER']);
    await card.locator('[data-act=open]').first().click();
    await page.locator('#detail[open] details').waitFor();
    await pageTime(page, 500);
    await page.locator('#detail [data-do=next]').dblclick();
    await pageTime(page, 600);
    assert.deepEqual(await statuses(ids), ['READY_FOR_PICKUP'], 'in the order\'s own window as well');
  }));

test('keys act on the order that has the focus, and not twice when the focus moves on', () =>
  stage.onDevice({}, async ({ page }) => {
    const { ids } = await stacked(page, 3);
    await page.keyboard.press('1');
    await page.keyboard.press('n');
    await page.keyboard.press('n');
    await cardOf(page, ids[0], 'preparing').waitFor();
    await pageTime(page, 500);
    assert.deepEqual(await statuses(ids), ['CONFIRMED', 'PENDING', 'PENDING']);
    await page.keyboard.press('n');
    await cardOf(page, ids[1], 'preparing').waitFor();
  }));

test('a finger on a phone: what a banner or a column moves under it is ignored, what stands still is not', () =>
  stage.onDevice({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }, async ({ page }) => {
    const { ids } = await stacked(page, 2);
    await page.locator('#tab-preparing').tap();
    await pageTime(page, 600);
    await page.locator('#tab-new').tap();
    await cardOf(page, ids[0], 'new').locator('[data-act=next]').tap();
    await pageTime(page, 700);
    assert.deepEqual(await statuses(ids), ['PENDING', 'PENDING'], 'the column has only just appeared');
    await page.evaluate(() => {
      /** @type {HTMLElement} */ (document.getElementById('banner-version')).hidden = false;
      /** @type {HTMLElement} */ (document.getElementById('banner-version')).style.minHeight = '9rem';
    });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const box = await cardOf(page, ids[0], 'new').locator('[data-act=next]').boundingBox();
    assert.ok(box);
    await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
    await pageTime(page, 700);
    assert.deepEqual(await statuses(ids), ['PENDING', 'PENDING'], 'a banner has pushed it there');
    await cardOf(page, ids[0], 'new').locator('[data-act=next]').tap();
    await cardOf(page, ids[0], 'preparing').waitFor({ state: 'attached' });
  }));
