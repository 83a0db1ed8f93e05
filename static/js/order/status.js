/** @import { Card } from './card.js' */
import { isDelivery } from './card.js';

/**
 * The server's table of statuses, which comes with the page.
 *
 * @typedef {'new' | 'preparing' | 'ready'} BoardLane   a column of the board
 * @typedef {BoardLane | 'done'} Lane
 *
 * @typedef {object} Facts
 * @property {string} name
 * @property {Lane} lane
 * @property {string | null} next           the next step; null at the end
 * @property {string} [nextDelivery]        the next step of a delivery, if it is another one
 * @property {string | null} previous       the step before, to correct a mistake
 * @property {boolean} [isVoid]             brings no revenue
 * @property {boolean} [isOutdated]         only older documents hold it: it is shown but not offered
 */

export const CANCELLED = 'CANCELLED';
export const COMPLETED = 'COMPLETED';

/** The columns of the board, in the order of the work. @type {BoardLane[]} */
export let lanes = [];

/** Every status that the desk offers. @type {string[]} */
export let offered = [];

/** @type {Map<string, Facts>} */
let known = new Map();

/** What an unknown status is treated like: in the first column, it is seen. @type {Facts} */
let first;

/** Must be called before all other functions. @param {{lanes: BoardLane[], statuses: Facts[]}} table */
export function useStatuses(table) {
  lanes = table.lanes;
  offered = table.statuses.filter(({ isOutdated }) => !isOutdated).map(({ name }) => name);
  known = new Map(table.statuses.map((facts) => [facts.name, facts]));
  first = table.statuses[0];
}

/** @param {string} status */
function factsOf(status) {
  return known.get(status) ?? first;
}

/** @param {string} status @returns {Lane} */
export function laneOf(status) {
  return factsOf(status).lane;
}

/** @param {string} status */
export function isKnown(status) {
  return known.has(status);
}

/** Whether the order brings no revenue: cancelled or returned. @param {string} status */
export function isVoid(status) {
  return factsOf(status).isVoid === true;
}

/** Whether it has the status of an order that was just placed. @param {Card} card */
export function isUntouched(card) {
  return card.status === first.name;
}

/** The status of the button to the next step, or null after the last one. @param {Card} card */
export function nextStatus(card) {
  const { next, nextDelivery } = factsOf(card.status);
  return (isDelivery(card) && nextDelivery) || next;
}

/** The previous step, to correct a mistake. @param {Card} card */
export function previousStatus(card) {
  return factsOf(card.status).previous;
}

/** Whether it is new and not acknowledged. @param {Card} card */
export function isWaiting(card) {
  return laneOf(card.status) === 'new' && !card.acknowledged;
}
