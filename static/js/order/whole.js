/** @import { Card } from './card.js' */
import { plain } from './card.js';

/**
 * The order as it is stored: whatever its writers put there.
 *
 * @typedef {{at: number, kind: 'placed' | 'noticed' | 'status', status: string, by: string}} Moment
 */

/**
 * What is known of an order's way, oldest first.
 * @param {Card} card
 * @param {any} whole
 * @returns {Moment[]}
 */
export function timelineOf(card, whole) {
  /** @type {Moment[]} */
  const moments = [{ at: card.timestamp, kind: 'placed', status: '', by: '' }];
  if (card.acknowledgedAt) moments.push({ at: card.acknowledgedAt, kind: 'noticed', status: '', by: card.acknowledgedBy ?? '' });
  const history = Array.isArray(whole?.statusHistory) ? whole.statusHistory : [];
  for (const entry of history.slice(-200)) {
    if (!Number.isFinite(entry?.at) || Math.abs(entry.at) > 8.64e15 || typeof entry.status !== 'string') continue;
    moments.push({ at: entry.at, kind: 'status', status: entry.status, by: typeof entry.by === 'string' ? entry.by : '' });
  }
  return moments.sort((a, b) => a.at - b.at);
}

/** What an order may call the name of an item, the best first; as the server reads it. */
const NAMES = ['productName', 'name', 'title', 'productId'];

/**
 * The items of the order as it is stored, however many.
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
 * One where it is not said; numeric text is read.
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
