/** @import { Card } from './order/card.js' */
/** @import { Change, Row } from './order/book.js' */
/** @import { Mark } from './order/marks.js' */
/** @import { Lane } from './order/status.js' */
/** @import { Status } from './feed/types.js' */
/** @import { News } from './feed/drive.js' */
import { Book } from './order/book.js';
import { compareCursors } from './order/cursor.js';
import { Edits } from './order/edits.js';
import { Marks, placeOnBoard } from './order/marks.js';
import { Floods, isLongOpen } from './order/piles.js';
import { isWaiting } from './order/status.js';
import { Follower } from './tabs/follow.js';

/**
 * The page's state as the server wrote it into the document.
 *
 * @typedef {object} DeskState
 * @property {string} cursor
 * @property {number} serverTime
 * @property {number} heartbeatSeconds
 * @property {number} [retryMs]
 * @property {number} window
 * @property {number} [maxOpen]         open orders kept beyond the window
 * @property {number} [limit]           most orders that one answer of the server lists
 * @property {boolean} [more]           the window has further orders, which the page leaves out
 * @property {number} [openTotal]       open orders that the server knows
 * @property {number} [openHidden]      and how many of them it leaves out
 * @property {{name: string, currency: string}} shop
 * @property {{name: string, email: string}} admin
 * @property {import('./feed/types.js').Source} source
 * @property {string} version
 * @property {string} store
 * @property {import('./feed/types.js').Usage | null} usage
 * @property {Card[]} orders
 *
 * @typedef {object} Happenings         what to announce, beside showing it
 * @property {Card[]} arrived           new, just placed
 * @property {Card[]} missed            new, but placed more than 10 s ago
 * @property {{card: Card, mark: Mark}[]} marked
 * @property {boolean} gap              this tab has missed events and must fetch them
 *
 * @typedef {{card: Card, mark: Mark | null, lane: Lane, pending: boolean}} Shown
 */

/** An order that is older than this when it is first received counts as missed. */
const JUST_NOW_MS = 10_000;
/** How long to wait for the details after an event; normally they follow at once. */
const DETAILS_MS = 1000;
const HORIZON_MS = 24 * 3_600_000;

/** The state of this tab, without the DOM. */
export class Desk {
  /**
   * @param {DeskState} state
   * @param {{clock: () => number, marks?: Record<string, Mark>, seen?: string}} device
   */
  constructor(state, { clock, marks, seen }) {
    this.state = state;
    this.clock = clock;
    this.book = new Book(state.orders, state.window, state.maxOpen);
    this.edits = new Edits();
    this.marks = new Marks(marks);
    /** Whether the whole window was received: figures over it are only valid then. */
    this.complete = !state.more;
    if (this.complete) this.#pruneMarks();
    this.floods = new Floods();
    this.floods.update(this.book.cards.values());
    this.follower = new Follower(state.cursor);
    /** @type {Status} */
    this.status = {
      phase: 'connecting', polling: false, reachable: null, online: true, failures: 0,
      lastWord: clock(), skew: state.serverTime - clock(), source: state.source, assets: null, usage: null, open: null,
    };
    /** @type {Set<string>} orders that were announced, or need no announcement */
    this.announced = new Set(state.orders.map((card) => card.id));
    this.missedAtStart = seen ? state.orders.filter((card) => this.#isUnseen(card, seen)) : [];
  }

  /** Server time. */
  now() {
    return this.clock() + this.status.skew;
  }

  /** @param {News} news @returns {Happenings} */
  hear(news) {
    switch (news.type) {
      case 'summary':
        return this.#digest(this.book.applySummary(news.event, news.id, news.summary, this.now()));
      case 'removed':
        return this.#digest(this.book.remove(news.order, news.id));
      case 'cards': {
        if (this.follower.offer(news) === 'gap') return { ...this.#digest([]), gap: true };
        if (!news.whole) return this.#digest(this.book.applyCards(news.rows, news.to));
        return this.#completed(this.#digest(this.book.replace(/** @type {Card[]} */ (news.rows), news.to)));
      }
      default:
        return this.#digest([]);
    }
  }

  /**
   * Applies the answer to this desk's own write.
   * @param {Card} card
   */
  confirm(card) {
    return this.#digest(this.book.applyCards([card], card.position), card.id);
  }

  /** @param {string} id @param {string} position */
  forget(id, position) {
    return this.#digest(this.book.remove(id, position), id);
  }

  /**
   * Applies the rest of the window, which the page left out. The cursor of this tab stays: the stream also brings what has
   * changed since the page was made.
   * @param {{orders: Row[], cursor: string}} answer
   */
  fill({ orders, cursor }) {
    return this.#completed(this.#digest(this.book.applyCards(orders, cursor)));
  }

  /** Applies the answer to a request for missed events. @param {{orders: Row[], cursor: string, reset?: boolean}} answer */
  caughtUp(answer) {
    const { orders: rows, cursor: to } = answer;
    return this.hear({ type: 'cards', from: this.follower.cursor, to, rows, whole: answer.reset === true });
  }

  /** @param {string} id @returns {Card | null} as shown, with pending changes applied */
  shown(id) {
    const card = this.book.get(id);
    return card && this.edits.over(card);
  }

  /** Newest first. @returns {Shown[]} */
  list() {
    return this.book.list().map((held) => {
      const card = this.edits.over(held);
      const mark = this.marks.get(held.id);
      return { card, mark, lane: placeOnBoard(card, mark), pending: this.edits.isPending(held.id) };
    });
  }

  /** @returns {Card[]} */
  cards() {
    return this.book.list().map((card) => this.edits.over(card));
  }

  /** @param {Happenings} happenings */
  #completed(happenings) {
    this.complete = true;
    this.#pruneMarks();
    return happenings;
  }

  #pruneMarks() {
    this.marks.prune((id) => this.book.get(id) !== null);
  }

  /** Whether the page left this order out: it is not new, by whatever way it comes. @param {Card} card */
  #wasLeftOut(card) {
    return !this.complete && (this.state.cursor === '' || compareCursors(`${card.createdAt * 1000}-`, this.state.cursor) <= 0);
  }

  /** Open orders that were forgotten; none before the whole window was received. @returns {string[]} ids, oldest first */
  longOpen() {
    const now = this.now();
    return this.complete ? this.cards().filter((card) => isLongOpen(card, now)).map(({ id }) => id).reverse() : [];
  }

  /** Open orders as the server counts them: all, and those that it leaves out. */
  get open() {
    return this.status.open ?? { total: this.state.openTotal ?? 0, hidden: this.state.openHidden ?? 0 };
  }

  /** @param {Card} card @param {string} seen */
  #isUnseen(card, seen) {
    const committed = `${card.createdAt * 1000}-`;
    return isWaiting(card) && compareCursors(committed, seen) > 0 && this.#isRecent(card);
  }

  /** @param {Card} card */
  #isRecent(card) {
    return this.now() - card.createdAt < HORIZON_MS;
  }

  /**
   * Releases orders that were held back during a flood and whose details don't come.
   * @returns {Happenings}
   */
  overdue() {
    const happenings = this.#digest([]);
    for (const [id, since] of this.floods.undecided) {
      if (this.clock() - since < DETAILS_MS) continue;
      this.floods.undecided.delete(id);
      const card = this.book.get(id);
      if (card) this.#announce(card, happenings);
    }
    return happenings;
  }

  /** Whether an order is new and can be announced now. @param {Card | null} before @param {Card} after */
  #isDecided(before, after) {
    const { undecided, list } = this.floods;
    if (undecided.has(after.id)) return !after.partial && undecided.delete(after.id);
    if (before || this.announced.has(after.id)) return false;
    if (!after.partial || list.length === 0) return true;
    undecided.set(after.id, this.clock());
    return false;
  }

  /** @param {Card} card @param {Happenings} happenings */
  #announce(card, happenings) {
    this.announced.add(card.id);
    if (this.#wasLeftOut(card) || !isWaiting(card) || !this.#isRecent(card)) return;
    const late = this.now() - card.createdAt > JUST_NOW_MS;
    (late ? happenings.missed : happenings.arrived).push(card);
  }

  /** @param {Change[]} changes @param {string} [own] @returns {Happenings} */
  #digest(changes, own) {
    /** @type {Happenings} */
    const happenings = { arrived: [], missed: [], marked: [], gap: false };
    for (const change of changes) {
      const { id, before, after } = change;
      // Orders of a flood that another desk has rejected get no marks.
      const mine = id === own || this.edits.isPending(id) || this.floods.of(id) !== null;
      const mark = this.marks.observe(change, mine, this.now());
      if (mark && after) happenings.marked.push({ card: after, mark });
      if (after && this.#isDecided(before, after)) this.#announce(after, happenings);
      else if (!after) this.floods.undecided.delete(id);
    }
    if (this.announced.size > 2 * this.book.limit) {
      for (const id of this.announced) if (!this.book.get(id)) this.announced.delete(id);
    }
    this.floods.update(this.cards());
    happenings.arrived = happenings.arrived.filter(({ id }) => this.floods.of(id) === null);
    happenings.missed = happenings.missed.filter(({ id }) => this.floods.of(id) === null);
    return happenings;
  }
}
