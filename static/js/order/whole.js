/** @import { Card } from './card.js' */
import { plain } from './card.js';

/**
 * The order as stored, with all fields of its writers.
 *
 * @typedef {{at: number | null, kind: 'placed' | 'noticed' | 'status' | 'elsewhere', status: string, by: string}} Moment `at` is null where the time isn't known
 */

/**
 * The known history of an order, oldest first. A change by another program is the last line, without a time, which documents
 * don't tell. Its `status` is set only when the history's last entry has another status.
 * @param {Card} card
 * @param {any} whole
 * @returns {Moment[]}
 */
export function timelineOf(card, whole) {
  /** @type {(Moment & {at: number})[]} */
  const moments = [{ at: card.timestamp, kind: 'placed', status: '', by: '' }];
  if (card.acknowledgedAt) moments.push({ at: card.acknowledgedAt, kind: 'noticed', status: '', by: card.acknowledgedBy ?? '' });
  const history = Array.isArray(whole?.statusHistory) ? whole.statusHistory : [];
  for (const entry of history.slice(-200)) {
    if (!Number.isFinite(entry?.at) || Math.abs(entry.at) > 8.64e15 || typeof entry.status !== 'string') continue;
    moments.push({ at: entry.at, kind: 'status', status: entry.status, by: typeof entry.by === 'string' ? entry.by : '' });
  }
  moments.sort((a, b) => a.at - b.at);
  if (!card.changedElsewhere) return moments;
  const last = moments.findLast(({ kind }) => kind === 'status')?.status;
  return [...moments, { at: null, kind: 'elsewhere', status: last === card.status ? '' : card.status, by: '' }];
}

/**
 * What admins have written on an order. Notes are complete if the stored order was fetched.
 * @param {Card} card
 * @param {any} whole
 * @returns {{driver: string, staff: string, reason: string, note: string}}
 */
export function staffTexts(card, whole) {
  const note = (/** @type {unknown} */ stored, /** @type {string | undefined} */ short) => plain(short && typeof stored === 'string' ? stored : short, 4000);
  return {
    driver: plain(card.driverName, 200),
    staff: note(whole?.staffNote, card.staffNote),
    reason: plain(card.cancelReason, 40),
    note: note(whole?.cancelNote, card.cancelNote),
  };
}

/** Fields that may hold an item's name, the best first; the same as in the server. */
const NAMES = ['productName', 'name', 'title', 'productId'];

/**
 * All items of the stored order.
 * @param {any} whole
 * @returns {import('./card.js').Item[] | null} null when they cannot be read
 */
export function itemsOf(whole) {
  if (!Array.isArray(whole?.items)) return null;
  return whole.items.map((/** @type {any} */ item) => {
    if (item === null || typeof item !== 'object') return { name: textOf(item), quantity: null, price: '' };
    const first = (/** @type {string[]} */ names) => textOf(names.map((name) => item[name]).find((value) => value !== undefined));
    return { name: first(NAMES), quantity: quantityOf(item.quantity), price: first(['productPrice', 'price']) };
  });
}

/**
 * The quantity; 1 if it is missing. Numeric text is read.
 * @param {unknown} value
 */
function quantityOf(value) {
  if (value === undefined || value === null) return 1;
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : null;
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/**
 * Every field with its value as text.
 * @param {any} whole
 * @returns {[string, string][]}
 */
export function fieldsOf(whole) {
  if (whole === null || typeof whole !== 'object') return [];
  return Object.entries(whole)
    .slice(0, 200)
    .map(([name, value]) => [plain(name, 80), plain(typeof value === 'string' ? value : JSON.stringify(value, null, 1), 4000)]);
}
