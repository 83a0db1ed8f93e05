/** @import { Card } from './card.js' */
import { isDelivery, numberOf, placeOf, plain } from './card.js';
import { dayOf } from './day.js';
import { oldestFirst } from './book.js';
import { t } from '../text/index.js';

const COLUMNS = [
  'order', 'placed', 'status', 'customer', 'phone', 'email', 'way', 'items', 'total', 'currency', 'notes', 'address',
  'acknowledged_by', 'changed_by',
];

/**
 * Places where a spreadsheet may begin to read a formula: at the start of a cell, and after any character that may separate
 * cells. The separator is a setting of the reader, and one that expects `;` ignores quotes in the middle of a cell. East Asian
 * versions read the full-width signs as well.
 */
const FORMULA = /(^|[;,\t\r\n])([\s"]*)(?=[=+\-@|%＝＋－＠])/g;

/**
 * A field by RFC 4180. Text that begins like a formula gets an apostrophe in front, so that spreadsheets don't run it.
 * @param {string | number | null} value
 */
export function field(value) {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = value.replace(FORMULA, "$1$2'").replace(/^[\t\r]/, "'$&");
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {Card} card */
function itemsText(card) {
  const more = card.moreItems ? [`… (${t('csv.more', { n: card.moreItems })})`] : [];
  const items = card.items
    .map((item) => `${item.quantity === null ? '' : `${item.quantity} x `}${plain(item.name, 200)}${item.price ? ` @ ${plain(item.price, 40)}` : ''}`);
  return [...items, ...more].join('; ');
}

/** Local time as spreadsheets read it. @param {number} ms */
function localTime(ms) {
  const date = new Date(ms);
  const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return `${dayOf(ms)} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/**
 * The orders of one day, oldest first, with a byte order mark so that spreadsheets read it as UTF-8.
 * @param {Iterable<Card>} cards
 * @param {string} day YYYY-MM-DD
 * @param {string} currency
 */
export function csvOfDay(cards, day, currency) {
  const rows = [...cards]
    .filter((card) => dayOf(card.timestamp) === day)
    .sort(oldestFirst)
    .map((card) => [
      numberOf(card), localTime(card.timestamp), plain(card.status, 60), plain(card.customerName, 200), plain(card.phone, 60),
      plain(card.email, 200), t(isDelivery(card) ? 'csv.delivery' : 'csv.pickup'), itemsText(card), card.total, currency,
      plain(card.notes), placeOf(card), plain(card.acknowledgedBy, 200), plain(card.changedBy, 200),
    ]);
  return `\ufeff${[COLUMNS.map((name) => t(`csv.${name}`)), ...rows].map((row) => row.map(field).join(',')).join('\r\n')}\r\n`;
}
