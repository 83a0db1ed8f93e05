import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAge, urgencyOf } from '../../static/js/order/age.js';
import { csvOfDay, field } from '../../static/js/order/csv.js';
import { dayOf, hoursToShow, summarizeDay } from '../../static/js/order/day.js';
import { isNarrow, matcher, NO_FILTER, readFilter, writeFilter } from '../../static/js/order/filter.js';
import { fieldsOf, itemsOf, staffTexts, timelineOf } from '../../static/js/order/whole.js';
import { DEFAULTS, readPrefs } from '../../static/js/prefs.js';
import { formats, localeFor, shortAge } from '../../static/js/text/format.js';
import { commandFor } from '../../static/js/controls/keys.js';
import { card, T0 } from './fixtures.mjs';
import { byLine } from '../../static/js/view/card.js';

const HOUR = 3_600_000;

test('ages are short, and have two thresholds', () => {
  assert.equal(formatAge(-5), '0:00');
  assert.equal(formatAge(65_000), '1:05');
  assert.equal(formatAge(HOUR + 5 * 60_000), '1h 05m');
  assert.equal(formatAge(50 * HOUR), '2d 2h');
  const thresholds = { warnMinutes: 5, lateMinutes: 10 };
  assert.deepEqual([299_999, 300_000, 599_999, 600_000].map((ms) => urgencyOf(ms, thresholds)), ['fresh', 'warn', 'warn', 'late']);
});

test('the address keeps the filter, and only what differs from none', () => {
  assert.equal(writeFilter(NO_FILTER), '');
  const filter = { ...NO_FILTER, view: /** @type {'history'} */ ('history'), text: 'ana & co', status: /** @type {'done'} */ ('done'), today: true, way: /** @type {'pickup'} */ ('pickup') };
  assert.deepEqual(readFilter(writeFilter(filter)), filter);
  assert.deepEqual(readFilter('?status=__proto__&way=x&view=y'), NO_FILTER);
  assert.equal(isNarrow({ ...NO_FILTER, view: 'history' }), false);
  assert.equal(isNarrow(filter), true);
});

test('search finds words in any field, without marks, case and gaps in phones', () => {
  const order = card('ORD7', { customerName: 'Zoë Größe', phone: '+213 555 12 34', notes: 'no Onions', address: 'Rue Didouche 4' });
  for (const text of ['zoe', 'ord7', '5551234', 'onions didouche', 'TOMATO', '']) assert.ok(matcher({ ...NO_FILTER, text }, T0)(order), text);
  for (const text of ['bob', 'onions bob']) assert.ok(!matcher({ ...NO_FILTER, text }, T0)(order), text);
});

test('chips narrow by state, day and way', () => {
  const orders = [card('A'), card('B', { status: 'COMPLETED', address: 'x' }), card('C', { status: 'CANCELLED', timestamp: T0 - 48 * HOUR })];
  const ids = (/** @type {object} */ change) => orders.filter(matcher({ ...NO_FILTER, ...change }, T0)).map(({ id }) => id);
  assert.deepEqual(ids({ status: 'open' }), ['A']);
  assert.deepEqual(ids({ status: 'done' }), ['B']);
  assert.deepEqual(ids({ status: 'cancelled' }), ['C']);
  assert.deepEqual(ids({ today: true }), ['A', 'B']);
  assert.deepEqual(ids({ way: 'delivery' }), ['B']);
});

test('what is searched in an order is put together once, however often somebody types', () => {
  let reads = 0;
  const notes = {
    get() {
      reads += 1;
      return 'x'.repeat(2000);
    },
  };
  const orders = Array.from({ length: 500 }, (_, n) => Object.defineProperty(card(`ORD${n}`, { customerName: `Customer ${n}` }), 'notes', notes));
  const found = ['c', 'cu', 'customer 49', 'customer 499'].map((text) => orders.filter(matcher({ ...NO_FILTER, text }, T0)).length);
  assert.deepEqual(found, [500, 500, 15, 1]);
  assert.equal(reads, 500);
});

test('the day: void orders earn nothing, the oldest open one may be older', () => {
  const orders = [
    card('A', { total: 0.1 }), card('B', { total: 0.2, status: 'COMPLETED' }), card('C', { total: 99, status: 'CANCELLED' }),
    card('D', { total: null }), card('E', { total: 7, timestamp: T0 - 30 * HOUR }),
  ];
  const day = summarizeDay(orders, T0 + 1000, 500);
  assert.equal(day.orders, 3);
  assert.equal(day.revenue, 0.3, 'not 0.30000000000000004');
  assert.equal(day.average, 0.15);
  assert.equal(day.cancelled, 1);
  assert.equal(day.oldestOpen?.id, 'E');
  assert.equal(day.perHour.reduce((sum, n) => sum + n), 3);
  assert.equal(day.perHour[new Date(T0).getHours()], 3);
  assert.equal(day.complete, true);
});

test('a window that does not reach back to midnight says so', () => {
  assert.equal(summarizeDay([card('A'), card('B')], T0, 2).complete, false);
  assert.equal(summarizeDay([card('A'), card('B', { timestamp: T0 - 48 * HOUR })], T0, 2).complete, true);
  const old = card('O', { timestamp: T0 - 48 * HOUR });
  assert.equal(summarizeDay([card('A'), card('B'), old], T0, 2).complete, false, 'an open order of long ago is held beyond the window');
  assert.equal(summarizeDay([], T0, 2).average, null);
});

test('the chart shows the busy hours and the current one, eight at least', () => {
  const perHour = Array(24).fill(0);
  assert.deepEqual(hoursToShow(perHour, 0), { from: 0, to: 7 });
  assert.deepEqual(hoursToShow(perHour, 23), { from: 16, to: 23 });
  perHour[9] = 2;
  assert.deepEqual(hoursToShow(perHour, 20), { from: 9, to: 20 });
});

test('a field of the CSV can neither break out of its cell nor run', () => {
  assert.equal(field('a "b", c\r\nd'), '"a ""b"", c\r\nd"');
  for (const evil of ['=1+1', '+1', '-1', '@x', '\tx', '\rx', '%0', '|x', '＝1', '＠x']) assert.match(field(evil), /^"?'/, evil);
  assert.equal(field(' =1'), " '=1");
  assert.equal(field('2 x Tomato'), '2 x Tomato');
  assert.equal(field(-5), '-5', 'a number stays one');
  assert.equal(field(null), '');
});

test('no cell of the CSV is a formula, whatever a spreadsheet takes for a separator', () => {
  const seeds = ['=1+1', '+1', '-1', '@x', '\t=1', ' =1', '"=1', '""=1', '\u00a0=1', '＋1'];
  for (const separator of [';', '; ', '\t', '\n', '\r\n', '\r', ',', '";', '";"']) {
    for (const seed of seeds) {
      const line = `x,${field(`Tomato${separator}${seed}`)},y`;
      // Read as by a program that knows no quotes: the worst there is.
      const cells = line.split(/[;\t\r\n,]/).map((cell) => cell.replace(/^[\s"]+/, ''));
      assert.deepEqual(cells.filter((cell) => /^[=+\-@|%＝＋－＠]/.test(cell)), [], JSON.stringify(line));
    }
  }
  assert.equal(field('2 x Tomato @ $2.50; 1 x Bread'), '"2 x Tomato @ $2.50; 1 x Bread"', 'signs within a cell are left alone');
});

test('the CSV of a day can be read back, in UTF-8, oldest first', () => {
  const orders = [
    card('B', { timestamp: T0 + 1000, customerName: '=HYPERLINK("x")', notes: 'one\r\n"two", three' }),
    card('A', { customerName: 'بطاطا' }),
    card('C', { timestamp: T0 - 48 * HOUR }),
  ];
  const text = csvOfDay(orders, dayOf(T0), 'USD');
  assert.equal(text.charCodeAt(0), 0xfeff);
  assert.ok(text.endsWith('\r\n'));
  const rows = parseCsv(text.slice(1));
  assert.deepEqual(rows.map(([id]) => id), ['order', 'A', 'B']);
  assert.ok(rows.every((row) => row.length === rows[0].length));
  assert.equal(rows[1][3], 'بطاطا');
  assert.equal(rows[2][3], '\'=HYPERLINK("x")');
  assert.equal(rows[2][10], 'one\n"two", three', 'a carriage return is a control character');
  assert.equal(rows[1][8], '5');
});

/** RFC 4180, read by the letter. @param {string} text */
function parseCsv(text) {
  /** @type {string[][]} */
  const rows = [[]];
  const pattern = /("((?:[^"]|"")*)"|[^,"\r\n]*)(,|\r\n)/gy;
  for (const [, whole, quoted, end] of text.matchAll(pattern)) {
    rows[rows.length - 1].push(quoted === undefined ? whole : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push([]);
  }
  rows.pop();
  return rows;
}

test('stored preferences of any shape give usable ones', () => {
  assert.deepEqual(readPrefs(null), DEFAULTS);
  assert.deepEqual(readPrefs('{"volume":'), DEFAULTS);
  assert.deepEqual(readPrefs('"text"'), DEFAULTS);
  const odd = readPrefs('{"volume":7,"tone":"constructor","paper":58,"warnMinutes":9,"lateMinutes":3,"keys":"yes","theme":"dark"}');
  assert.deepEqual(odd, { ...DEFAULTS, paper: 58, warnMinutes: 9, theme: 'dark' });
  assert.equal(readPrefs('{"warnMinutes":20,"lateMinutes":15}').lateMinutes, 21);
});

test('money follows currency and place, and survives an unknown currency', () => {
  assert.equal(formats('en-US', 'USD').money(18.75), '$18.75');
  assert.equal(formats('en-US', 'JPY').money(1200), '¥1,200');
  assert.equal(formats('en-US', 'points').money(3), '3.00 points');
  assert.equal(formats('en-US', 'USD').money(null), '');
  assert.equal(formats('en-US', 'USD').full(Number.NaN), '');
  assert.deepEqual([0, 12_000, 240_000, 2 * HOUR].map(shortAge), ['now', '12 sec', '4 min', '2h 00m']);
});

test('the locale is the language with the region of the browser, of the currency, or none', () => {
  for (const [language, accepted, currency, wanted] of /** @type {[string, string[], string, string][]} */ ([
    ['en', ['en-GB', 'fr-FR'], 'USD', 'en-GB'],
    ['ar', ['en-US', 'en'], 'DZD', 'ar-DZ-u-hc-h23'],
    ['fr', ['fr', 'fr-DZ'], 'DZD', 'fr-DZ-u-hc-h23'],
    ['fr', ['de-AT'], 'EUR', 'fr-AT'],
    ['fr', ['fr'], 'EUR', 'fr'],
    ['es', ['es-419'], 'XAF', 'es-419'],
    ['fr', [], 'XAF', 'fr'],
    ['ar', ['ar-Arab-EG-u-nu-latn'], 'USD', 'ar-EG'],
    ['en', ['en-US@posix', 'c', ''], 'EUR', 'en'],
    ['en', [], 'points', 'en'],
  ])) {
    const locale = localeFor(language, accepted, currency);
    assert.equal(locale, wanted);
    assert.equal(new Intl.Locale(locale).language, language);
  }
  assert.match(formats('fr-DZ-u-hc-h23', 'DZD').clock(new Date(2026, 0, 1, 17, 5).getTime()), /^17:05$/);
});

test('keys act where nobody types, once per press, and can be switched off', () => {
  const press = (/** @type {string} */ key, more = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });
  const free = { typing: false, dialog: false, onCard: false, enabled: true };
  assert.equal(commandFor(press('a'), free), 'ack');
  assert.equal(commandFor(press('?'), free), 'help');
  assert.equal(commandFor(press('a'), { ...free, typing: true }), null);
  assert.equal(commandFor(press('a'), { ...free, dialog: true }), null);
  assert.equal(commandFor(press('a'), { ...free, enabled: false }), null);
  assert.equal(commandFor(press('a', { ctrlKey: true }), free), null);
  assert.equal(commandFor(press('n', { repeat: true }), free), null, 'a held key does not race through the states');
  assert.equal(commandFor(press('j', { repeat: true }), free), 'next-card');
  assert.equal(commandFor(press('Enter'), free), null);
  assert.equal(commandFor(press('Enter'), { ...free, onCard: true, enabled: false }), 'open', 'Enter on a card is no shortcut');
  assert.equal(commandFor(press('constructor'), free), null);
});

test('items beyond those that a card lists are told in the CSV and read from the whole order', () => {
  const cut = card('A', { itemCount: 70, moreItems: 69 });
  assert.ok(csvOfDay([cut], dayOf(T0), 'USD').includes('2 x Tomato @ $2.50; … (69 more)'));
  const whole = { items: [{ productName: 'Tomato', productPrice: '$2.50', quantity: 1.5 }, { productId: 'p-1', name: 'Apple', price: 10, quantity: '5' }, 'bread', null, { title: 7 }, { name: 'Milk', quantity: 'two' }] };
  assert.deepEqual(itemsOf(whole), [
    { name: 'Tomato', quantity: 1.5, price: '$2.50' }, { name: 'Apple', quantity: 5, price: '10' },
    { name: 'bread', quantity: null, price: '' }, { name: '', quantity: null, price: '' }, { name: '7', quantity: 1, price: '' },
    { name: 'Milk', quantity: null, price: '' },
  ]);
  assert.equal(itemsOf(null), null);
  assert.equal(itemsOf({ items: 'x' }), null);
});

test('a card names an admin only where the server does', () => {
  assert.equal(byLine(card('A', { status: 'CONFIRMED', changedBy: 'Sara' })), 'Accepted by Sara');
  const noticed = { acknowledged: true, acknowledgedBy: 'Sara' };
  assert.equal(byLine(card('A', { status: 'CANCELLED', changedElsewhere: true, ...noticed })), 'Changed elsewhere');
  assert.equal(byLine(card('A', { status: 'PENDING', changedElsewhere: true, ...noticed })), 'Seen by Sara');
  assert.equal(byLine(card('A', { status: 'CONFIRMED' })), '');
});

test('what another program has changed ends the way of an order, and bears no name', () => {
  const history = { statusHistory: [{ status: 'CONFIRMED', at: T0 + 20, by: 'Sara' }] };
  const last = (/** @type {Partial<import('../../static/js/order/card.js').Card>} */ change) => timelineOf(card('A', change), history).at(-1);
  assert.deepEqual(last({ status: 'CONFIRMED', changedBy: 'Sara' }), { at: T0 + 20, kind: 'status', status: 'CONFIRMED', by: 'Sara' });
  assert.deepEqual(last({ status: 'CANCELLED', changedElsewhere: true }), { at: null, kind: 'elsewhere', status: 'CANCELLED', by: '' });
  assert.deepEqual(last({ status: 'CONFIRMED', changedElsewhere: true }), { at: null, kind: 'elsewhere', status: '', by: '' });
});

test('notes of admins are whole where the stored order is here', () => {
  const order = card('A', { status: 'CANCELLED', staffNote: 'ring…', cancelReason: 'CLOSED', driverName: 'Sami\u202e' });
  assert.deepEqual(staffTexts(order, null), { driver: 'Sami', staff: 'ring…', reason: 'CLOSED', note: '' });
  assert.equal(staffTexts(order, { staffNote: 'ring twice' }).staff, 'ring twice');
  // The stored order may be of an earlier or later state than the card.
  assert.deepEqual(staffTexts(card('A'), { staffNote: 'x', cancelNote: 'x' }), { driver: '', staff: '', reason: '', note: '' });
  assert.equal(staffTexts(order, { staffNote: 5 }).staff, 'ring…');
});

test('the way of an order, as far as it is known, whatever is stored', () => {
  const order = card('A', { acknowledgedAt: T0 + 10, acknowledgedBy: 'Ana' });
  const whole = { statusHistory: [{ status: 'CONFIRMED', at: T0 + 20, by: 'Ana' }, { status: 5 }, null, { status: 'X', at: 1e300 }] };
  assert.deepEqual(timelineOf(order, whole).map(({ kind, status }) => kind + status), ['placed', 'noticed', 'statusCONFIRMED']);
  assert.equal(timelineOf(order, { statusHistory: 'x' }).length, 2);
  assert.deepEqual(fieldsOf({ a: 'x\u202e', b: { c: 1 }, d: null }), [['a', 'x'], ['b', '{\n "c": 1\n}'], ['d', 'null']]);
  assert.deepEqual(fieldsOf(null), []);
});
