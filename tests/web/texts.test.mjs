import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { en as first } from '../../static/js/text/en.js';
import { enLater } from '../../static/js/text/en-later.js';
import { statusName, stepName, t } from '../../static/js/text/index.js';

const en = { ...first, ...enLater };
const root = fileURLToPath(new URL('../../', import.meta.url));

/** @param {string} folder @param {string} end @returns {string[]} */
function filesIn(folder, end) {
  return readdirSync(join(root, folder), { recursive: true }).map(String).filter((name) => name.endsWith(end)).map((name) => join(root, folder, name));
}

const pages = filesIn('templates', '.html').map((file) => readFileSync(file, 'utf8')).join('\n');
const scripts = filesIn('static/js', '.js').filter((file) => !/en(-later)?\.js$/.test(file)).map((file) => readFileSync(file, 'utf8')).join('\n');

test('every text the markup names exists, and the markup says the same in English', () => {
  for (const [, key, said] of pages.matchAll(/data-t="([\w.]+)"[^>]*>([^<]*)</g)) {
    assert.equal(said.trim(), en[key], key);
  }
  for (const [, label, key] of pages.matchAll(/(?:aria-label|placeholder)="([^"]*)" data-t-(?:label|placeholder)="([\w.]+)"/g)) {
    assert.equal(label, en[key], key);
  }
  for (const [, key] of pages.matchAll(/data-t(?:-label|-placeholder)?="([\w.]+)"/g)) assert.ok(Object.hasOwn(en, key), key);
});

test('every text the scripts ask for exists', () => {
  for (const [, key] of scripts.matchAll(/\bt\('([\w.]+)'/g)) assert.ok(Object.hasOwn(en, key), key);
});

test('what the page loads first finds its words in the first file', () => {
  /** @type {Set<string>} */
  const seen = new Set();
  const visit = (/** @type {string} */ file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const code = readFileSync(file, 'utf8');
    for (const [, key] of code.matchAll(/\bt\('([\w.]+)'/g)) assert.ok(Object.hasOwn(first, key), `${file}: ${key}`);
    for (const [, path] of code.matchAll(/^import [^']*'([^']+)'/gm)) visit(join(file, '..', path));
  };
  visit(join(root, 'static/js/main.js'));
  assert.ok(seen.size > 30);
  assert.ok(![...seen].some((file) => file.endsWith('en-later.js')));
  assert.deepEqual(Object.keys(first).filter((key) => Object.hasOwn(enLater, key)), [], 'in one file each');
});

test('no text is left that nobody says', () => {
  const said = `${pages}\n${scripts}`;
  const families = ['pill.', 'lane.empty.', 'card.age.', 'status.', 'do.', 'mark.', 'say.', 'banner.', 'tone.', 'theme.', 'size.', 'paper.', 'sort.', 'chip.', 'keys.', 'flood.', 'old.', 'reason.'];
  for (const key of Object.keys(en)) {
    const used = said.includes(`'${key}'`) || said.includes(`"${key}"`) || said.includes(`\`${key}`);
    assert.ok(used || families.some((family) => key.startsWith(family)), key);
  }
});

test('plurals, values, and texts that do not exist', () => {
  assert.equal(t('alarm.waiting', { n: 1 }), '1 order waits for you');
  assert.equal(t('alarm.waiting', { n: 3 }), '3 orders wait for you');
  assert.equal(t('toast.new', { number: '{name}$&' }), 'New order {name}$&', 'values are not texts');
  assert.equal(t('no.such'), 'no.such');
});

test('statuses are named, unknown ones by themselves', () => {
  assert.equal(statusName('OUT_FOR_DELIVERY'), 'Out for delivery');
  assert.equal(statusName('ON_HOLD'), 'ON_HOLD');
  assert.equal(statusName(''), 'No status');
  assert.equal(stepName('CONFIRMED'), 'Accept');
  assert.equal(stepName('PENDING'), 'Move to Pending');
});

test('no page carries inline script, inline style, or an address of somebody else', () => {
  assert.doesNotMatch(pages, /<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style/i);
  assert.doesNotMatch(pages, /(?:src|href|action)="(?:https?:)?\/\//);
  assert.doesNotMatch(scripts, /\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function/);
});
