import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accessible, cardOf, openDialog, press, ready, Stage, withAxe } from './harness.mjs';

const stage = new Stage({});

for (const scheme of /** @type {const} */ (['light', 'dark'])) {
  test(`no page offends axe, ${scheme}`, async () => {
    const context = await stage.browser.newContext({ colorScheme: scheme });
    await withAxe(context);
    const page = await context.newPage();
    await page.goto(`${stage.server.address}/login`);
    await accessible(page, 'sign-in');
    await page.fill('#email', 'a@b.example');
    await page.fill('#password', 'wrong');
    await page.click('button[type=submit]');
    await page.waitForSelector('.problem');
    await accessible(page, 'sign-in refused');
    await page.goto(`${stage.server.address}/nowhere`);
    await accessible(page, 'error');
    await context.close();

    const device = await stage.signIn({ colorScheme: scheme, reducedMotion: 'reduce' });
    await withAxe(device.context);
    await device.page.reload();
    await ready(device.page);
    await accessible(device.page, 'empty desk');
    const first = await stage.place({ notes: 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' });
    const second = await stage.place();
    const third = await stage.place();
    await cardOf(device.page, third, 'new').waitFor();
    await accessible(device.page, 'alarm');
    await press(cardOf(device.page, second, 'new'), 'next');
    await stage.server.update(third, { status: 'CANCELLED', acknowledged: true });
    await device.page.locator('.card[data-mark=cancelled]').waitFor();
    await press(cardOf(device.page, first, 'new'), 'ack');
    await device.page.locator('#alarm').waitFor({ state: 'hidden' });
    await device.page.waitForFunction(() => !document.querySelector('.card[data-pending]'));
    await accessible(device.page, 'board');
    await cardOf(device.page, first).locator('[data-act=open]').first().click();
    await device.page.locator('#detail details summary').click();
    await accessible(device.page, 'detail');
    await device.page.locator('#detail [data-do=cancel]').click();
    await accessible(device.page, 'detail, asking');
    await device.page.keyboard.press('Escape');
    for (const name of ['settings', 'account', 'keys']) {
      await openDialog(device.page, name);
      await accessible(device.page, name);
      await device.page.keyboard.press('Escape');
    }
    await device.page.click('.views [data-view=history]');
    await accessible(device.page, 'history');
    await device.page.setViewportSize({ width: 360, height: 740 });
    await accessible(device.page, 'history on a phone');
    await device.page.click('#tab-new');
    await accessible(device.page, 'board on a phone');
    stage.server.unplug();
    await device.page.waitForSelector('body[data-stale]');
    await accessible(device.page, 'offline');
    assert.deepEqual(device.problems, []);
    await device.context.close();
    await stage.server.plugIn();
    await stage.clear();
  });
}

test('five hundred orders are filtered and scrolled without jank', () =>
  stage.onDevice({}, async ({ page }) => {
    const orders = Array.from({ length: 500 }, (_, n) => ({ customerName: `Customer ${n}`, totalAmount: n, notes: n % 7 ? '' : 'no onions', phone: '+213 555 12 34', deliveryAddress: '12 Main St' }));
    for (let at = 0; at < orders.length; at += 20) await Promise.all(orders.slice(at, at + 20).map((order) => stage.server.submit(order)));
    await page.waitForFunction(() => document.querySelectorAll('#board .card').length >= 490, null, { timeout: 60_000 });
    await page.reload();
    await ready(page);
    const evening = () =>
      page.evaluate(async () => {
        let worst = 0;
        const observer = new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) worst = Math.max(worst, entry.duration);
        });
        observer.observe({ type: 'longtask' });
        const frame = () => new Promise((done) => requestAnimationFrame(done));
        const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
        for (const text of ['c', 'customer 4', 'customer 49', '', 'nobody', '']) {
          search.value = text;
          search.dispatchEvent(new Event('input'));
          await frame();
          await frame();
        }
        for (let y = 0; y < 8000; y += 400) {
          scrollTo(0, y);
          await frame();
        }
        await new Promise((done) => setTimeout(done, 100));
        observer.disconnect();
        return Math.round(worst);
      });
    // The best of three: what another program on the machine takes is not the desk's.
    const longest = [await evening(), await evening(), await evening()];
    console.log(`longest task: ${longest} ms`);
    assert.ok(Math.min(...longest) < 200, `${longest} ms`);
  }));
