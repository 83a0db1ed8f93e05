/** @import { Card } from '../../static/js/order/card.js' */
import { readFileSync } from 'node:fs';
import { useStatuses } from '../../static/js/order/status.js';
import { useTexts } from '../../static/js/text/index.js';

/** @param {string} path @returns {any} */
const json = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

// What the page brings in a browser; a test of the server holds the table against its own.
useStatuses(json('statuses.json'));
const { scripts, later } = json('../../languages/en.json');
useTexts({ ...scripts, ...later }, 'en');

export const T0 = Date.UTC(2026, 10, 23, 18, 0, 0);

/** @param {number} ms @param {string} id */
export function cursor(ms, id) {
  return `${ms * 1000}-${id}`;
}

/**
 * @param {string} id
 * @param {Partial<Card>} [change]
 * @returns {Card}
 */
export function card(id, change = {}) {
  const timestamp = change.timestamp ?? T0;
  return {
    id, orderId: id, position: cursor(change.updatedAt ?? timestamp, id), createdAt: timestamp, updatedAt: timestamp, timestamp,
    status: 'PENDING', acknowledged: false, acknowledgedAt: null, acknowledgedBy: null, changedBy: null, customerName: 'Ana',
    phone: '', email: '', total: 5, itemCount: 1, items: [{ name: 'Tomato', quantity: 2, price: '$2.50' }], notes: '', address: '',
    location: null, ...change,
  };
}

/** @param {string} id @param {object} [change] */
export function summary(id, change = {}) {
  return { id, orderId: id, totalAmount: 5, status: 'PENDING', timestamp: T0, customerName: 'Ana', itemCount: 1, ...change };
}

/** Numbers that look random and are the same in every run. @param {number} seed */
export function dice(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
