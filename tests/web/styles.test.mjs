import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const folder = new URL('../../static/css/', import.meta.url);
const sheets = readdirSync(folder).map((name) => ({ name, css: readFileSync(new URL(name, folder), 'utf8').replace(/\/\*.*?\*\//gs, '') }));

test('styles name no physical side: the desk is read from the right, too', () => {
  const physical = /(?:^|[\s;{])(?:(?:margin|padding|border|scroll-margin)-(?:left|right|top|bottom)[\w-]*|left|right|top|bottom|inset|float|clear)\s*:|text-align:\s*(?:left|right)/g;
  for (const { name, css } of sheets) assert.deepEqual([...css.matchAll(physical)].map(([found]) => found.trim()), [], name);
});

test('four values of a shorthand are the same at both sides', () => {
  for (const { name, css } of sheets) {
    for (const [rule, , right, , left] of css.matchAll(/(?:margin|padding): ([^\s;]+) ([^\s;]+) ([^\s;]+) ([^\s;]+);/g)) assert.equal(right, left, `${name}: ${rule}`);
  }
});

test('each colour of the theme is defined once, for light and dark', () => {
  const base = sheets.find(({ name }) => name === 'base.css')?.css ?? '';
  const tokens = [...base.matchAll(/(--[\w-]+): light-dark\(/g)].map(([, token]) => token);
  assert.ok(tokens.length > 15);
  for (const token of tokens) assert.equal([...base.matchAll(new RegExp(`${token}:`, 'g'))].length, 1, token);
  for (const { name, css } of sheets) assert.doesNotMatch(css, /prefers-color-scheme/, name);
});
