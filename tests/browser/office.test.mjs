import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, Stage } from './harness.mjs';

const stage = new Stage();

test('the day can be downloaded, a ticket printed', () =>
  stage.onDevice({}, async ({ page }) => {
    const id = await stage.place({ customerName: '=cmd()', notes: 'no onions' });
    await cardOf(page, id, 'new').locator('[data-act=ack]').click();
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
    await cardOf(page, id).locator('[data-act=print]').click();
    await page.waitForSelector('body[data-printed]');
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.locator('#ticket').isVisible(), true);
    assert.equal(await page.locator('#board').isVisible(), false);
    const width = await page.locator('#ticket').evaluate((element) => element.getBoundingClientRect().width);
    assert.ok(Math.abs(width - (80 / 25.4) * 96) < 1, `${width}`);
  }));
