import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, condition, openDialog, press, ready, Stage } from './harness.mjs';
import { ADMIN } from './server.mjs';

const stage = new Stage();

test('the day can be downloaded, a ticket printed', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place({ customerName: '=cmd()', notes: 'no onions' });
    await press(cardOf(page, id, 'new'), 'ack');
    await page.locator('#alarm').waitFor({ state: 'hidden' });
    await page.click('#menu summary');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#csv')]);
    assert.match(download.suggestedFilename(), /^orders-\d{4}-\d\d-\d\d\.csv$/);
    let text = '';
    for await (const chunk of await download.createReadStream()) text += chunk;
    assert.ok(text.startsWith('\ufefforder,'));
    assert.ok(text.includes("'=cmd()"));
    await page.evaluate(() => {
      window.print = () => {
        document.body.dataset.printed = 'yes';
      };
    });
    await press(cardOf(page, id), 'print');
    await page.waitForSelector('body[data-printed]');
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('#ticket').isVisible(), true);
    assert.equal(await page.locator('#board').isVisible(), false);
    const width = () => page.locator('#ticket').evaluate((element) => element.getBoundingClientRect().width);
    assert.ok(Math.abs((await width()) - millimetres(80)) < 1);
    await page.emulateMedia({ media: 'screen' });
    await openDialog(page, 'settings');
    await page.selectOption('#set-paper', '58');
    await page.keyboard.press('Escape');
    await press(cardOf(page, id), 'print');
    await page.waitForSelector('#ticket[data-paper="58"]', { state: 'attached' });
    await page.emulateMedia({ media: 'print' });
    assert.ok(Math.abs((await width()) - millimetres(58)) < 1);
    const over = await page.locator('#ticket').evaluate((ticket) => [...ticket.querySelectorAll('*')].filter((part) => part.getBoundingClientRect().right > ticket.getBoundingClientRect().right + 0.5).map((part) => part.outerHTML));
    assert.deepEqual(over, [], 'nothing runs off the paper');
    assert.match((await page.locator('#ticket').innerText()), /no onions/);
  }));

/** On the screen. @param {number} length */
function millimetres(length) {
  return (length / 25.4) * 96;
}

test('the password is changed: a wrong one is refused where it stands, other devices are signed out', () =>
  stage.onDevice({}, async ({ page }) => {
    const other = await stage.signIn();
    const change = async (/** @type {string} */ current, /** @type {string} */ next) => {
      await page.fill('#pw-current', current);
      await page.fill('#pw-new', next);
      await page.click('#password-form button');
    };
    try {
      await openDialog(page, 'account');
      await change('not the password', 'another long password');
      await page.locator('#password-result[data-kind=bad]', { hasText: 'not your current password' }).waitFor();
      assert.equal(await page.getAttribute('#pw-current', 'aria-invalid'), 'true');
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'pw-current');
      await change(ADMIN.password, 'another long password');
      await page.locator('#password-result[data-kind=good]').waitFor();
      assert.equal(await page.inputValue('#pw-new'), '');
      assert.equal(await page.getAttribute('#pw-current', 'aria-invalid'), null);
      await condition(other.page, 'ended', 70_000);
      await other.page.goto(`${stage.server.address}/login`);
      await other.page.fill('#email', ADMIN.email);
      await other.page.fill('#password', 'another long password');
      await other.page.click('button[type=submit]');
      await ready(other.page);
      await change('another long password', ADMIN.password);
      await page.waitForFunction(() => /** @type {HTMLInputElement} */ (document.getElementById('pw-new')).value === '');
    } finally {
      await other.context.close();
    }
  }));

test('reads spent against the free tier are shown, and follow the server', () =>
  stage.onDevice({ query: '?share=solo' }, async ({ page }) => {
    assert.equal(await page.textContent('#day-usage'), '');
    let reads = 1200;
    await page.route('**/api/admin/orders/recent?*', async (route) => {
      const answer = await route.fetch();
      const usage = { reads, writes: 40, readLimit: 50_000, writeLimit: 20_000 };
      await route.fulfill({ response: answer, json: { ...(await answer.json()), usage } });
    });
    await stage.place();
    await page.locator('#day-usage', { hasText: '1,200 of 50,000' }).waitFor({ state: 'attached' });
    reads = 1201;
    await stage.place();
    await page.locator('#day-usage', { hasText: '1,201 of 50,000' }).waitFor({ state: 'attached' });
  }));

test('the desk can be installed: what browsers ask for is there, and their offer is kept in the menu', () =>
  stage.onDevice({}, async ({ page, context }) => {
    const address = await page.locator('link[rel=manifest]').evaluate((link) => /** @type {HTMLLinkElement} */ (link).href);
    const answer = await context.request.get(address);
    assert.match(answer.headers()['content-type'], /^application\/manifest\+json/);
    const manifest = await answer.json();
    assert.deepEqual([manifest.start_url, manifest.scope, manifest.display], ['/', '/', 'standalone']);
    for (const { src, type } of manifest.icons) {
      const icon = await context.request.get(new URL(src, address).href);
      assert.equal(icon.status(), 200);
      assert.ok(icon.headers()['content-type'].startsWith(type), src);
    }
    await page.click('#menu summary');
    assert.equal(await page.locator('#install').isVisible(), false);
    await page.evaluate(() => {
      const offer = new Event('beforeinstallprompt', { cancelable: true });
      Object.assign(offer, { prompt: () => void (document.body.dataset.asked = String(offer.defaultPrevented)) });
      dispatchEvent(offer);
    });
    await page.click('#install');
    assert.equal(await page.evaluate(() => document.body.dataset.asked), 'true');
    assert.equal(await page.locator('#install').isVisible(), false);
  }));
