/** @import { Card } from './card.js' */
import { isDelivery } from './card.js';

/** @typedef {'new' | 'preparing' | 'ready' | 'done'} Lane */

/** The columns of the board, in the order of the work. @type {Exclude<Lane, 'done'>[]} */
export const LANES = ['new', 'preparing', 'ready'];

/** @type {Record<string, Lane>} */
const LANE_OF = {
  PENDING: 'new',
  CONFIRMED: 'preparing',
  PREPARING: 'preparing',
  PREPARING_ORDER: 'preparing',
  READY_FOR_PICKUP: 'ready',
  ON_WAY: 'ready',
  OUT_FOR_DELIVERY: 'ready',
  DELIVERING: 'ready',
  DELIVERY_ATTEMPT_FAILED: 'ready',
  DELIVERED: 'done',
  COMPLETED: 'done',
  CANCELLED: 'done',
  RETURNED: 'done',
};

/** Every status that the server lets the desk set. */
export const SETTABLE = [
  'PENDING', 'CONFIRMED', 'PREPARING_ORDER', 'READY_FOR_PICKUP', 'ON_WAY', 'OUT_FOR_DELIVERY',
  'DELIVERED', 'DELIVERY_ATTEMPT_FAILED', 'COMPLETED', 'CANCELLED', 'RETURNED',
];

/**
 * The column of a status; an unknown status is in the first one, where it is seen.
 * @param {string} status
 * @returns {Lane}
 */
export function laneOf(status) {
  return Object.hasOwn(LANE_OF, status) ? LANE_OF[status] : 'new';
}

/** @param {string} status */
export function isKnown(status) {
  return Object.hasOwn(LANE_OF, status);
}

/** Whether the order brings no revenue: cancelled or returned. @param {string} status */
export function isVoid(status) {
  return status === 'CANCELLED' || status === 'RETURNED';
}

/**
 * The status of the button to the next step, or null after the last one.
 * @param {Card} card
 * @returns {string | null}
 */
export function nextStatus(card) {
  switch (card.status) {
    case 'CONFIRMED':
      return 'PREPARING_ORDER';
    case 'PREPARING':
    case 'PREPARING_ORDER':
      return 'READY_FOR_PICKUP';
    case 'READY_FOR_PICKUP':
      return isDelivery(card) ? 'OUT_FOR_DELIVERY' : 'COMPLETED';
    case 'ON_WAY':
    case 'OUT_FOR_DELIVERY':
    case 'DELIVERING':
      return 'DELIVERED';
    case 'DELIVERY_ATTEMPT_FAILED':
      return 'OUT_FOR_DELIVERY';
    default:
      return laneOf(card.status) === 'done' ? null : 'CONFIRMED';
  }
}

/**
 * The previous step, to correct a mistake.
 * @param {Card} card
 * @returns {string | null}
 */
export function previousStatus(card) {
  switch (card.status) {
    case 'CONFIRMED':
      return 'PENDING';
    case 'PREPARING':
    case 'PREPARING_ORDER':
      return 'CONFIRMED';
    case 'READY_FOR_PICKUP':
      return 'PREPARING_ORDER';
    case 'ON_WAY':
    case 'OUT_FOR_DELIVERY':
    case 'DELIVERING':
    case 'DELIVERY_ATTEMPT_FAILED':
    case 'COMPLETED':
      return 'READY_FOR_PICKUP';
    case 'DELIVERED':
      return 'OUT_FOR_DELIVERY';
    case 'CANCELLED':
      return 'PENDING';
    case 'RETURNED':
      return 'DELIVERED';
    default:
      return null;
  }
}

/** Whether it is new and not acknowledged. @param {Card} card */
export function isWaiting(card) {
  return laneOf(card.status) === 'new' && !card.acknowledged;
}
