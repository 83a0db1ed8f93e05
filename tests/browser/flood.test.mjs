import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cardOf, ready, Stage } from './harness.mjs';

const stage = new Stage();

test('twenty waiting orders outlive seven hundred newer ones: on the board, in the search, in the alarm, after a reload', () =>
  stage.onDevice({}, async ({ page }) => {
    /** @type {string[]} */
    const waiting = [];
    for (let n = 0; n < 20; n++) waiting.push(await stage.place({ customerName: `Ana ${n}` }));
    await cardOf(page, waiting[19], 'new').waitFor();
    for (let at = 0; at < 700; at += 20) await Promise.all(Array.from({ length: 20 }, (_, n) => stage.server.submit({ customerName: `Newer ${at + n}` })));
    const here = async () => {
      await page.waitForFunction(() => /Newer 699/.test(document.getElementById('lane-new')?.textContent ?? ''), null, { timeout: 60_000 });
      for (const id of waiting) assert.equal(await cardOf(page, id, 'new').count(), 1, id);
      await page.fill('#search', 'ana');
      await page.waitForFunction(() => document.querySelectorAll('#board .card').length === 20);
      await page.fill('#search', '');
    };
    await here();
    await page.reload();
    await ready(page);
    await here();
    await page.locator('#alarm-text', { hasText: '720 orders' }).waitFor();
  }));
