/** @import { Card } from './card.js' */
import { isWaiting, laneOf } from './status.js';

/** This many waiting orders of one source within a minute of each other are a flood. */
const FLOOD_ORDERS = 20;
const FLOOD_MS = 60_000;
const LONG_MS = 7 * 86_400_000;

/** Whether an open order is so old that it counts as forgotten. @param {Card} card @param {number} now server time */
export function isLongOpen(card, now) {
  return now - card.timestamp > LONG_MS && laneOf(card.status) !== 'done';
}

/**
 * @typedef {object} Flood
 * @property {string} source
 * @property {Card[]} cards    oldest first; all of them in the first column
 * @property {number} minutes  how long it took, at least one
 */

/**
 * Floods of orders from one address, kept apart so that they don't hide real orders. An order of a flood stays with it
 * while it is in the first column, however few are left.
 */
export class Floods {
  constructor() {
    /** @type {Flood[]} */
    this.list = [];
    /** @type {Set<string>} sources whose orders are shown one by one */
    this.expanded = new Set();
    /**
     * Orders known from a stream event only, which has no source, with its time: during a flood they are held back until
     * their details tell whether they belong to it.
     * @type {Map<string, number>}
     */
    this.undecided = new Map();
    /** @type {Map<string, {ids: Set<string>, last: number}>} by source */
    this.groups = new Map();
    /** @type {Map<string, string>} id to source */
    this.sources = new Map();
  }

  /** @param {Iterable<Card>} cards all orders, as shown */
  update(cards) {
    const bySource = newOrdersBySource(cards);
    this.list = [];
    this.sources.clear();
    for (const source of this.groups.keys()) if (!bySource.has(source)) this.groups.delete(source);
    for (const [source, orders] of bySource) {
      if (!this.groups.has(source) && orders.length < FLOOD_ORDERS) continue;
      const members = this.#members(source, orders);
      if (members.length === 0) continue;
      const span = members[members.length - 1].timestamp - members[0].timestamp;
      this.list.push({ source, cards: members, minutes: Math.max(1, Math.ceil(span / 60_000)) });
      for (const { id } of members) this.sources.set(id, source);
    }
    for (const source of this.expanded) if (!this.groups.has(source)) this.expanded.delete(source);
  }

  /** @param {string} id @returns {string | null} the source of the flood that the order belongs to */
  of(id) {
    return this.sources.get(id) ?? null;
  }

  /** Shows every order by itself. */
  unfold() {
    for (const { source } of this.list) this.expanded.add(source);
  }

  /** Whether the order is folded into a row of its flood, or is held back. @param {string} id */
  isFolded(id) {
    if (this.undecided.has(id)) return true;
    const source = this.of(id);
    return source !== null && !this.expanded.has(source);
  }

  /**
   * The entries that the alarm counts: each order by itself, each flood once.
   * @param {Card[]} waiting newest first
   * @returns {{id: string, createdAt: number}[]}
   */
  condense(waiting) {
    /** @type {Map<string, {id: string, createdAt: number}>} */
    const counted = new Map();
    for (const card of waiting) {
      if (this.undecided.has(card.id)) continue;
      const source = this.of(card.id);
      if (source === null) counted.set(card.id, card);
      else counted.set(`flood ${source}`, { id: `flood ${source}`, createdAt: card.createdAt });
    }
    return [...counted.values()];
  }

  /** @param {string} source @param {Card[]} orders oldest first @returns {Card[]} */
  #members(source, orders) {
    const { ids, last } = this.groups.get(source) ?? { ids: new Set(), last: -Infinity };
    const flooding = burst(orders.filter(isWaiting));
    const members = orders.filter(({ id, timestamp }) => ids.has(id) || flooding.has(id) || (timestamp > last && timestamp - last <= FLOOD_MS));
    if (members.length === 0) this.groups.delete(source);
    else {
      const newest = members[members.length - 1].timestamp;
      this.groups.set(source, { ids: new Set(members.map(({ id }) => id)), last: Math.max(last, newest) });
    }
    return members;
  }
}

/** @param {Iterable<Card>} cards @returns {Map<string, Card[]>} oldest first */
function newOrdersBySource(cards) {
  /** @type {Map<string, Card[]>} */
  const bySource = new Map();
  for (const card of cards) {
    if (!card.source || laneOf(card.status) !== 'new') continue;
    const orders = bySource.get(card.source);
    if (orders) orders.push(card);
    else bySource.set(card.source, [card]);
  }
  for (const orders of bySource.values()) orders.sort((a, b) => a.timestamp - b.timestamp);
  return bySource;
}

/** Orders with enough others within a minute. @param {Card[]} orders oldest first */
function burst(orders) {
  /** @type {Set<string>} */
  const found = new Set();
  let next = 0;
  for (let first = 0; first + FLOOD_ORDERS <= orders.length; first++) {
    const last = first + FLOOD_ORDERS - 1;
    if (orders[last].timestamp - orders[first].timestamp > FLOOD_MS) continue;
    for (next = Math.max(next, first); next <= last; next++) found.add(orders[next].id);
  }
  return found;
}
