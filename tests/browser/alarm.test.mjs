import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, condition, openDialog, pageTime, press, ready, rings, seenAt, showHidden, Stage, waitForRings } from './harness.mjs';

const stage = new Stage();

test('an order is seen and heard; how soon is printed', () =>
  stage.onDevice({}, async ({ page }) => {
    /** @type {number[]} */
    const took = [];
    for (let n = 0; n < 3; n++) {
      const start = Date.now();
      const id = await stage.place();
      const seen = await seenAt(page, id);
      const heard = await page.waitForFunction((from) => /** @type {any} */ (window).rings.find((/** @type {number} */ at) => at >= from), start);
      took.push(Math.max(seen, await heard.jsonValue()) - start);
      await stage.server.update(id, { acknowledged: true });
      await page.locator('#alarm').waitFor({ state: 'hidden' });
      await pageTime(page, 1600);
    }
    console.log(`from the phone's request to eye and ear: ${took} ms`);
  }));

test('an order is shown, heard and announced without a reload', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place({ notes: 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' });
    const card = cardOf(page, id, 'new');
    await card.waitFor();
    await waitForRings(page, 1);
    await page.locator('.toast', { hasText: id }).waitFor();
    await page.waitForFunction((text) => document.querySelector('#say-polite')?.textContent?.includes(text), id);
    await card.locator('[data-f=notes]', { hasText: 'no onions' }).waitFor();
    assert.equal(await card.locator('[data-f=phone]').getAttribute('href'), 'tel:+2135551234');
    assert.match(await page.title(), /^\(1\)/);
    assert.match((await page.locator('link[rel=icon]').getAttribute('href')) ?? '', /^data:image\/svg/);
  }));

test('the alarm goes on until the order is acknowledged on another device, then all fall silent', () =>
  stage.onDevice({}, async ({ page }) => {
    const other = await stage.signIn();
    try {
      const id = await stage.place();
      await waitForRings(page, 2, 20_000);
      await page.locator('#alarm:not([hidden])').waitFor();
      await press(cardOf(other.page, id, 'new'), 'ack');
      await page.locator('#alarm').waitFor({ state: 'hidden' });
      await cardOf(page, id).locator('[data-f=by]', { hasText: 'Seen' }).waitFor();
      assert.doesNotMatch(await page.title(), /^\(/);
    } finally {
      await other.context.close();
    }
  }));

test('a page nobody has touched says that it is silent, and one tap starts the shift', () =>
  stage.onDevice({}, async ({ page, context }) => {
    await page.close();
    const untouched = await context.newPage();
    await untouched.goto(`${stage.server.address}/`);
    await ready(untouched);
    const banner = untouched.locator('#banner-sound');
    await banner.filter({ hasText: 'Sound is off' }).waitFor();
    await untouched.locator('#start-shift').click();
    await banner.waitFor({ state: 'hidden' });
    await waitForRings(untouched, 1);
    await untouched.locator('#mute').click();
    await banner.filter({ hasText: 'Muted' }).waitFor();
    const id = await stage.place();
    await cardOf(untouched, id, 'new').waitFor();
    assert.equal(await rings(untouched), 1);
    await untouched.locator('#start-shift').click();
    await waitForRings(untouched, 2);
  }));

test('offline and back: the list stays, goes stale, and what came meanwhile rings once, grouped', () =>
  stage.onDevice({}, async ({ page }) => {
    const first = await stage.place();
    await press(cardOf(page, first, 'new'), 'ack');
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    stage.server.unplug();
    await condition(page, 'offline');
    await page.waitForSelector('body[data-stale]');
    assert.equal(await cardOf(page, first).isVisible(), true);
    const ids = [await stage.place(), await stage.place(), await stage.place()];
    const heard = await rings(page);
    // Only orders older than ten seconds count as missed; the others have just arrived.
    await pageTime(page, 11_000);
    await stage.server.plugIn();
    await condition(page, 'live', 40_000);
    for (const id of ids) await cardOf(page, id, 'new').waitFor();
    await page.locator('.toast', { hasText: '3 orders came while you were away' }).waitFor();
    await waitForRings(page, heard + 1);
    assert.equal(await page.locator('body[data-stale]').count(), 0);
    assert.equal(await page.locator('.toast', { hasText: 'New order' }).count(), 0);
  }));

test('nobody looks: a notification, the count in the title and on the app, until it is noticed', () =>
  stage.onDevice({}, async ({ page, context }) => {
    await context.addInitScript(() => {
      const seen = (/** @type {any} */ (window).outside = { notes: /** @type {any[]} */ ([]), badge: /** @type {number | null} */ (null) });
      /** @type {any} */ (window).Notification = class Note {
        static permission = 'default';
        static async requestPermission() {
          Note.permission = 'granted';
          return 'granted';
        }
        /** @param {string} title @param {any} options */
        constructor(title, options) {
          Object.assign(this, { title, options, closed: false });
          seen.notes.push(this);
        }
        close() {
          /** @type {any} */ (this).closed = true;
        }
      };
      const badge = async (/** @type {number | null} */ count) => void (seen.badge = count);
      Object.assign(navigator, { setAppBadge: badge, clearAppBadge: () => badge(null) });
    });
    await page.reload();
    await ready(page);
    await openDialog(page, 'settings');
    await page.getByLabel('Notifications', { exact: true }).check();
    await page.keyboard.press('Escape');
    const outside = () => page.evaluate(() => /** @type {any} */ (window).outside);
    await showHidden(page, true);
    const id = await stage.place({ customerName: 'Zoë' });
    await page.waitForFunction(() => /** @type {any} */ (window).outside.notes.length === 1);
    const { notes, badge } = await outside();
    assert.equal(notes[0].title, `New order ${id}`);
    assert.match(notes[0].options.body, /Zoë/);
    assert.equal(badge, 1);
    assert.match(await page.title(), /^\(1\)/);
    await stage.server.update(id, { acknowledged: true });
    await page.waitForFunction(() => /** @type {any} */ (window).outside.badge === null);
    assert.equal((await outside()).notes[0].closed, true);
    assert.doesNotMatch(await page.title(), /^\(/);
    await showHidden(page, false);
    await cardOf(page, id, 'new').waitFor();
    await stage.place();
    await waitForRings(page, 1);
    assert.equal((await outside()).notes.length, 1, 'whoever looks at the desk needs no notification');
  }));

test('the screen stays lit during a shift, and the desk says why when it cannot', () =>
  stage.onDevice({}, async ({ page, context }) => {
    await context.addInitScript(() => {
      /** @type {any[]} */
      const locks = (/** @type {any} */ (window).locks = []);
      const request = async () => {
        if (/** @type {any} */ (window).refuse) throw new Error('low battery');
        const lock = { released: false, async release() { this.released = true; } };
        locks.push(lock);
        return lock;
      };
      Object.defineProperty(navigator, 'wakeLock', { value: { request } });
    });
    const held = () => page.evaluate(() => /** @type {any} */ (window).locks.map((/** @type {any} */ lock) => !lock.released));
    await page.reload();
    await ready(page);
    assert.deepEqual(await held(), []);
    await page.click('#start-shift');
    await page.waitForFunction(() => /** @type {any} */ (window).locks.length === 1);
    // A browser takes the lock away from a page that nobody sees.
    await page.evaluate(() => /** @type {any} */ (window).locks[0].release());
    await showHidden(page, true);
    await showHidden(page, false);
    await page.waitForFunction(() => /** @type {any} */ (window).locks.length === 2);
    await openDialog(page, 'settings');
    await page.getByLabel('Keep the screen on').uncheck();
    assert.deepEqual(await held(), [false, false]);
    await page.evaluate(() => void (/** @type {any} */ (window).refuse = true));
    await page.getByLabel('Keep the screen on').check();
    await page.keyboard.press('Escape');
    await openDialog(page, 'settings');
    await page.locator('#awake-hint', { hasText: 'did not allow' }).waitFor();
  }));
