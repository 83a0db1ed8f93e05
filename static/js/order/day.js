/** @import { Card } from './card.js' */
import { isVoid, laneOf } from './status.js';

/**
 * The calendar day of a moment in the browser's time zone, as YYYY-MM-DD.
 * @param {number} ms
 */
export function dayOf(ms) {
  const date = new Date(ms);
  const pad = (/** @type {number} */ n) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/**
 * @typedef {object} Day
 * @property {number} orders         placed today, cancelled ones aside
 * @property {number} cancelled
 * @property {number} revenue
 * @property {number | null} average
 * @property {Card | null} oldestOpen of any day
 * @property {number[]} perHour      24 counts
 * @property {boolean} complete      whether the window reaches back to midnight
 */

/**
 * @param {Iterable<Card>} cards
 * @param {number} now server time
 * @param {number} window how many orders the server holds
 * @returns {Day}
 */
export function summarizeDay(cards, now, window) {
  const today = dayOf(now);
  /** @type {Day} */
  const day = { orders: 0, cancelled: 0, revenue: 0, average: null, oldestOpen: null, perHour: Array(24).fill(0), complete: true };
  let held = 0;
  let ofToday = 0;
  let priced = 0;
  // Summed in ten-thousandths: binary fractions would change the last digit.
  let revenue = 0;
  for (const card of cards) {
    held += 1;
    if (laneOf(card.status) !== 'done' && (!day.oldestOpen || card.timestamp < day.oldestOpen.timestamp)) day.oldestOpen = card;
    if (dayOf(card.timestamp) !== today) continue;
    ofToday += 1;
    if (isVoid(card.status)) {
      day.cancelled += 1;
      continue;
    }
    day.orders += 1;
    day.perHour[new Date(card.timestamp).getHours()] += 1;
    if (card.total !== null) {
      priced += 1;
      revenue += Math.round(card.total * 10_000);
    }
  }
  day.revenue = revenue / 10_000;
  day.average = priced > 0 ? day.revenue / priced : null;
  // Open orders of earlier days are held beyond the window: they don't tell how far it reaches.
  day.complete = held < window || ofToday < window;
  return day;
}

/**
 * The hours to draw: those with orders and the current one, at least eight.
 * @param {number[]} perHour
 * @param {number} hour the current one
 * @returns {{from: number, to: number}} both included
 */
export function hoursToShow(perHour, hour) {
  const busy = perHour.flatMap((count, at) => (count > 0 ? [at] : []));
  let from = Math.min(hour, ...busy);
  let to = Math.max(hour, ...busy);
  while (to - from < 7) {
    if (from > 0) from -= 1;
    if (to - from < 7 && to < 23) to += 1;
  }
  return { from, to };
}
