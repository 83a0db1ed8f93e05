/** @import { Card } from './card.js' */
import { isDelivery, numberOf } from './card.js';
import { dayOf } from './day.js';
import { isLongOpen } from './piles.js';
import { isVoid, laneOf } from './status.js';

/**
 * The state of the search box and the chips, kept in the page's address.
 *
 * @typedef {'all' | 'open' | 'done' | 'cancelled'} StatusChip
 * @typedef {'board' | 'history'} View
 * @typedef {object} Filter
 * @property {View} view
 * @property {string} text
 * @property {StatusChip} status
 * @property {boolean} today
 * @property {'' | 'delivery' | 'pickup'} way
 * @property {boolean} old      only open orders that were forgotten
 */

/** @type {Filter} */
export const NO_FILTER = { view: 'board', text: '', status: 'all', today: false, way: '', old: false };

const STATUS_CHIPS = ['all', 'open', 'done', 'cancelled'];
const WAYS = ['', 'delivery', 'pickup'];

/** @param {string} query @returns {Filter} */
export function readFilter(query) {
  const params = new URLSearchParams(query);
  const status = params.get('status') ?? 'all';
  const way = params.get('way') ?? '';
  return {
    view: params.get('view') === 'history' ? 'history' : 'board',
    text: (params.get('q') ?? '').slice(0, 100),
    status: /** @type {StatusChip} */ (STATUS_CHIPS.includes(status) ? status : 'all'),
    today: params.get('day') === 'today',
    way: /** @type {Filter['way']} */ (WAYS.includes(way) ? way : ''),
    old: params.get('age') === 'old',
  };
}

/** @param {Filter} filter @returns {string} "" without filters */
export function writeFilter(filter) {
  const params = new URLSearchParams();
  if (filter.view !== 'board') params.set('view', filter.view);
  if (filter.text.trim()) params.set('q', filter.text.trim());
  if (filter.status !== 'all') params.set('status', filter.status);
  if (filter.today) params.set('day', 'today');
  if (filter.way) params.set('way', filter.way);
  if (filter.old) params.set('age', 'old');
  const query = params.toString();
  return query ? `?${query}` : '';
}

/** @param {Filter} filter */
export function isNarrow(filter) {
  return filter.text.trim() !== '' || filter.status !== 'all' || filter.today || filter.way !== '' || filter.old;
}

/** @type {WeakMap<Card, string>} */
const haystacks = new WeakMap();

/** @param {string} text */
function fold(text) {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** @param {Card} card */
function haystack(card) {
  let text = haystacks.get(card);
  if (text === undefined) {
    const items = card.items.slice(0, 100).map((item) => item.name.slice(0, 200));
    const fields = [numberOf(card), card.customerName.slice(0, 200), card.phone.slice(0, 60), card.email.slice(0, 200)];
    text = fold([...fields, card.address.slice(0, 500), card.notes.slice(0, 2000), ...items].join('\n'));
    // Phone numbers are typed with and without spaces.
    text += `\n${card.phone.slice(0, 60).replace(/\D/g, '')}`;
    haystacks.set(card, text);
  }
  return text;
}

/**
 * @param {Filter} filter
 * @param {number} now server time
 * @returns {(card: Card) => boolean}
 */
export function matcher(filter, now) {
  const words = fold(filter.text).split(/\s+/).filter(Boolean);
  const today = dayOf(now);
  return (card) => {
    const lane = laneOf(card.status);
    if (filter.status === 'open' && lane === 'done') return false;
    if (filter.status === 'done' && (lane !== 'done' || isVoid(card.status))) return false;
    if (filter.status === 'cancelled' && !isVoid(card.status)) return false;
    if (filter.today && dayOf(card.timestamp) !== today) return false;
    if (filter.way && (filter.way === 'delivery') !== isDelivery(card)) return false;
    if (filter.old && !isLongOpen(card, now)) return false;
    if (words.length === 0) return true;
    const text = haystack(card);
    return words.every((word) => text.includes(word));
  };
}
