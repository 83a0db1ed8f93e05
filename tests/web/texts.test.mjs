import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isolate, quantity, refusal, statusName, stepName, t, useTexts } from '../../static/js/text/index.js';
import './fixtures.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** @param {string} folder @param {string} end @returns {string[]} */
function filesIn(folder, end) {
  return readdirSync(join(root, folder), { recursive: true }).map(String).filter((name) => name.endsWith(end)).map((name) => join(root, folder, name));
}

const pages = filesIn('templates', '.html').map((file) => readFileSync(file, 'utf8')).join('\n');
const scripts = filesIn('static/js', '.js').map((file) => readFileSync(file, 'utf8')).join('\n');
/** @type {{pages: Record<string, string>, scripts: Record<string, string | object>, later: Record<string, string | object>}} */
const en = JSON.parse(readFileSync(join(root, 'languages/en.json'), 'utf8'));

/** Keys that are put together when they are needed. */
const BUILT = {
  pages: ['lane.', 'problem.', 'login.'],
  scripts: ['pill.', 'banner.', 'lane.empty.', 'card.age.', 'status.', 'do.', 'mark.', 'say.', 'flood.', 'old.', 'reason.', 'error.', 'csv.'],
};

/** @param {string} key @param {string} said @param {string[]} built */
function isSaid(key, said, built) {
  // A key of one word may be another name, too.
  const quoted = key.includes('.') ? [`'${key}'`, `\`${key}`] : [`t('${key}'`, `t['${key}'`];
  return quoted.some((text) => said.includes(text)) || built.some((start) => key.startsWith(start));
}

test('every text that pages and scripts ask for exists', () => {
  for (const [, key] of pages.matchAll(/\bt\['([\w.]+)'\]/g)) assert.equal(typeof (en.pages[key] ?? en.scripts[key]), 'string', key);
  for (const [, key] of scripts.matchAll(/\bt\('([\w.]+)'/g)) assert.ok(Object.hasOwn(en.scripts, key) || Object.hasOwn(en.later, key), key);
});

test('every text is used, and scripts get only their own', () => {
  const ofScripts = { ...en.scripts, ...en.later };
  assert.equal(Object.keys(ofScripts).length, Object.keys(en.scripts).length + Object.keys(en.later).length, 'a text is there once');
  for (const key of Object.keys(en.pages)) {
    assert.ok(isSaid(key, pages, BUILT.pages), key);
    assert.ok(!Object.hasOwn(ofScripts, key), `${key} is there twice`);
  }
  for (const key of Object.keys(ofScripts)) assert.ok(isSaid(key, scripts, BUILT.scripts), key);
});

/** What a text fills in. @param {string} text */
const values = (text) => [...new Set(text.match(/\{\w+\}/g))].sort();

for (const name of readdirSync(join(root, 'languages'))) {
  test(`${name} has every text, in every plural form of its language`, () => {
    const texts = JSON.parse(readFileSync(join(root, 'languages', name), 'utf8'));
    assert.ok(texts.name.length > 1 && ['ltr', 'rtl'].includes(texts.direction));
    const forms = new Intl.PluralRules(name.replace('.json', '')).resolvedOptions().pluralCategories.sort();
    for (const part of /** @type {const} */ (['pages', 'scripts', 'later'])) {
      assert.deepEqual(Object.keys(texts[part]).sort(), Object.keys(en[part]).sort());
      for (const [key, text] of Object.entries(en[part])) {
        const other = texts[part][key];
        assert.equal(typeof other, typeof text, key);
        if (typeof text === 'string') assert.deepEqual(values(other), values(text), key);
        else assert.deepEqual(Object.keys(other).sort(), forms, key);
      }
    }
  });
}

test('markup has no words of its own', () => {
  const bare = pages.replace(/\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<title>.*?<\/title>|<kbd>.*?<\/kbd>/gs, '').replace(/<[^>]*>/g, ' ');
  assert.deepEqual(bare.match(/\p{L}{2,}/gu) ?? [], []);
  for (const [, label] of pages.matchAll(/(?:aria-label|placeholder|title|alt)="([^"]*)"/g)) assert.match(label, /^\{\{ t\[.*\] \}\}$/);
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
  assert.equal(stepName('PENDING'), 'Set to New');
});

test('no page carries inline script, inline style, or an address of somebody else', () => {
  assert.doesNotMatch(pages, /<script(?! type="module" src=| type="application\/json" id=)|\son\w+=|\sstyle=|<style/i);
  assert.doesNotMatch(pages, /(?:src|href|action)="(?:https?:)?\/\//);
  assert.doesNotMatch(scripts, /\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function/);
});

test('values of the other direction are isolated, numbers and units follow the locale', () => {
  const texts = { ...en.scripts, ...en.later };
  const facts = { name: 'محمد', items: '5 items', total: '$5.00' };
  assert.equal(t('toast.new.detail', facts), '\u2068محمد\u2069 · 5 items · $5.00');
  assert.equal(t('filter.count', { n: 1234 }), '1,234 orders');
  const ar = JSON.parse(readFileSync(join(root, 'languages/ar.json'), 'utf8'));
  useTexts({ ...ar.scripts, ...ar.later }, 'ar-DZ', true);
  try {
    assert.equal(isolate('ORD12'), '\u2068ORD12\u2069');
    assert.equal(isolate(''), '');
    assert.equal(t('toast.new.detail', { name: 'Ana', items: 'x', total: 'y' }).match(/[\u2068\u2069]/g)?.length, 6);
    assert.match(quantity(5, 'minute'), /^5\s.*د/);
    const counts = [0, 1, 2, 3, 11, 100].map((n) => t('filter.count', { n }));
    assert.equal(new Set(counts.map((text) => text.replace(/\d+/g, ''))).size, counts.length, counts.join(', '));
  } finally {
    useTexts(texts, 'en');
  }
});

test('an error shows the text of its code, or of its status if the code is unknown', () => {
  assert.equal(refusal({ code: 'STORE_UNAVAILABLE', status: 503 }), en.later['error.STORE_UNAVAILABLE']);
  assert.equal(refusal({ code: 'constructor', status: 418 }), 'the server refused it (error 418)');
});
