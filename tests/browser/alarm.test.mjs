import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, condition, ready, rings, Stage, waitForRings } from './harness.mjs';

const stage = new Stage();

test('an order appears, is shown, heard and announced within a second, without a reload', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place({ notes: 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' });
    const card = cardOf(page, id, 'new');
    await card.waitFor({ timeout: 1000 });
    await waitForRings(page, 1, 2000);
    await page.locator('.toast', { hasText: id }).waitFor();
    await page.waitForFunction((text) => document.querySelector('#say-polite')?.textContent?.includes(text), id);
    await card.locator('[data-f=notes]', { hasText: 'no onions' }).waitFor();
    assert.equal(await card.locator('[data-f=phone]').getAttribute('href'), 'tel:+2135551234');
    assert.match(await page.title(), /^\(1\)/);
    assert.match((await page.locator('link[rel=icon]').getAttribute('href')) ?? '', /^data:image\/svg/);
    assert.equal((await rings(page)) < 3, true);
  }));

test('the alarm goes on until the order is acknowledged on another device, then all fall silent', () =>
  stage.onDevice({}, async ({ page }) => {
    const other = await stage.signIn();
    try {
      const id = await stage.place();
      await waitForRings(page, 2, 20_000);
      await page.locator('#alarm:not([hidden])').waitFor();
      await cardOf(other.page, id, 'new').locator('[data-act=ack]').click();
      await page.locator('#alarm').waitFor({ state: 'hidden', timeout: 3000 });
      await cardOf(page, id).locator('[data-f=by]', { hasText: 'Noticed' }).waitFor();
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
    await cardOf(page, first, 'new').locator('[data-act=ack]').click();
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    stage.server.unplug();
    await condition(page, 'offline');
    await page.waitForSelector('body[data-stale]');
    assert.equal(await cardOf(page, first).isVisible(), true);
    const ids = [await stage.place(), await stage.place(), await stage.place()];
    const heard = await rings(page);
    // Only orders older than ten seconds count as missed; the others have just arrived.
    const placedAt = Date.now();
    await page.waitForFunction((at) => Date.now() - at > 11_000, placedAt, { timeout: 15_000 });
    await stage.server.plugIn();
    await condition(page, 'live', 40_000);
    for (const id of ids) await cardOf(page, id, 'new').waitFor();
    await page.locator('.toast', { hasText: '3 orders came while you were away' }).waitFor();
    await waitForRings(page, heard + 1);
    assert.equal(await page.locator('body[data-stale]').count(), 0);
    assert.equal(await page.locator('.toast', { hasText: 'New order' }).count(), 0);
  }));
