import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, condition, Stage } from './harness.mjs';

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
    await cardOf(page, id, 'new').waitFor({ timeout: 8000 });
    await page.unroute('**/api/stream-orders*');
    await condition(page, 'live', 40_000);
  }));

test('the server restarts: the page recovers by itself and nothing is lost', () =>
  stage.onDevice({}, async ({ page }) => {
    const before = await stage.place();
    await cardOf(page, before, 'new').waitFor();
    await stage.server.down();
    await page.waitForFunction(() => document.getElementById('pill')?.dataset.condition !== 'live');
    assert.equal(await cardOf(page, before).isVisible(), true);
    await stage.server.up();
    const meanwhile = await stage.place();
    await condition(page, 'live', 40_000);
    await cardOf(page, meanwhile, 'new').waitFor();
    assert.equal(await page.locator(`.card[data-id="${meanwhile}"]`).count(), 1);
  }));

test('a session ended elsewhere: the list stays and the way back is shown', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place();
    await cardOf(page, id, 'new').waitFor();
    const other = await stage.signIn();
    try {
      await other.page.click('#menu summary');
      await other.page.click('[data-dialog=account]');
      await other.page.locator('#screens li').first().waitFor();
      await other.page.click('#revoke');
      await other.page.locator('#revoke-result[data-kind=good]').waitFor();
      await condition(page, 'ended', 70_000);
      assert.equal(await cardOf(page, id).isVisible(), true);
      assert.equal(await page.locator('#banner-connection a').getAttribute('href'), '/login');
    } finally {
      await other.context.close();
    }
  }));
