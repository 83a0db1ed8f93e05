/** @import { Actions } from '../actions.js' */
/** @import { Announcer } from '../announce.js' */
/** @import { Desk, Happenings, Shown } from '../desk.js' */
/** @import { Card } from '../order/card.js' */
/** @import { Prefs } from '../prefs.js' */
/** @import { Formats } from '../text/format.js' */
/** @import { Detail } from './detail.js' */
/** @import { History } from './history.js' */
/** @import { Piles } from './piles.js' */
/** @import { Toasts } from './toasts.js' */
import { numberOf } from '../order/card.js';
import { matcher } from '../order/filter.js';
import { t } from '../text/index.js';
import { Board } from './board.js';
import { Connection, drawHidden } from './connection.js';
import { drawDay } from './day.js';
import { byId } from './dom.js';
import { Filters } from './filters.js';
import { withRest } from './later.js';

/** All that the desk shows of its orders. Parts that are not needed at first are loaded when they are. */
export class Screen {
  /** @param {{desk: Desk, actions: Actions, announcer: Announcer, toasts: Toasts, formats: Formats, prefs: () => Prefs}} parts */
  constructor({ desk, actions, announcer, toasts, formats, prefs }) {
    this.desk = desk;
    this.actions = actions;
    this.announcer = announcer;
    this.toasts = toasts;
    this.formats = formats;
    this.prefs = prefs;
    this.board = new Board(desk.clock, () => this.filters.view('board'));
    this.filters = new Filters(() => this.draw());
    this.connection = new Connection(desk.state.heartbeatSeconds * 1000);
    /** @type {Set<string>} orders that came in while this page was open: they are highlighted */
    this.arrived = new Set();
    /** @type {Detail | null} */
    this.detail = null;
    /** @type {History | null} */
    this.history = null;
    /** @type {Piles | null} */
    this.piles = null;
    this.frame = 0;
  }

  /** @param {Happenings} happenings */
  note({ arrived, missed }) {
    // Most of them were highlighted long ago.
    if (this.arrived.size > this.desk.state.window) this.arrived.clear();
    for (const { id } of [...arrived, ...missed]) this.arrived.add(id);
  }

  /** Draws at most once a frame, and not while the page is hidden. */
  draw() {
    if (this.frame || document.hidden) return;
    this.frame = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { desk, board, filters, formats, arrived } = this;
    const now = desk.now();
    desk.floods.update(desk.cards());
    const matches = matcher(filters.effective, now);
    const list = desk.list().filter(({ card }) => matches(card));
    const how = { formats, prefs: this.prefs(), now, narrow: filters.narrow, complete: desk.complete };
    const onBoard = filters.filter.view === 'board';
    // A search also finds orders of floods.
    const isFolded = (/** @type {string} */ id) => !filters.narrow && desk.floods.isFolded(id);
    board.draw(list, { ...how, arrived, isFolded, isHeld: (id) => desk.book.get(id) !== null });
    if (!onBoard) void this.#drawHistory(list, how);
    filters.count(onBoard ? board.shown.length : list.length, desk.complete);
    drawDay(desk, formats);
    this.detail?.draw();
    const old = desk.longOpen();
    if (this.piles || old.length > 0 || desk.floods.list.length > 0) void this.#drawPiles(old);
  }

  drawStatus() {
    const { desk, connection, formats } = this;
    connection.draw(desk.status, desk.clock());
    drawHidden(desk.open, formats);
    const { assets } = desk.status;
    byId('banner-version').hidden = !assets || assets === document.body.dataset.assets;
  }

  /** Updates what changes with time. */
  age() {
    this.board.age(this.desk.now(), this.prefs());
    this.board.look();
    drawDay(this.desk, this.formats);
  }

  /** Shows the dialog of an order. @param {string} id */
  async open(id) {
    const { desk, actions, formats } = this;
    try {
      const [{ Detail }, { dress }] = await Promise.all([withRest(() => import('./detail.js')), import('./windows.js')]);
      await dress(this.prefs());
      this.detail ??= new Detail(desk, actions, formats, (card) => void this.print(card));
      this.detail.open(id);
    } catch {
      this.#failed(t('detail.failed'), () => void this.open(id));
    }
  }

  /** @param {Card} card */
  async print(card) {
    try {
      const { printTicket } = await withRest(() => import('./ticket.js'));
      printTicket(card, { formats: this.formats, shop: this.desk.state.shop.name, paper: this.prefs().paper });
    } catch {
      this.#failed(t('print.failed', { number: numberOf(card) }), () => void this.print(card));
    }
  }

  /** Brings an order into view, on the board. @param {string} id */
  reveal(id) {
    const { board, filters } = this;
    const isFolded = this.desk.floods.isFolded(id);
    if (filters.narrow) filters.clear();
    filters.view('board');
    this.drawNow();
    if (isFolded) board.revealFloods();
    else board.reveal(id, true);
  }

  /** @param {string[]} old forgotten orders */
  async #drawPiles(old) {
    const { desk, actions, filters, toasts } = this;
    try {
      const { Piles } = await withRest(() => import('./piles.js'));
      this.piles ??= new Piles({ desk, actions, filters, toasts, clock: desk.clock, changed: () => this.draw() });
      this.piles.draw(desk.floods.list, old);
    } catch {
      // Show every order by itself; the next drawing tries again.
      desk.floods.unfold();
    }
  }

  /** @param {Shown[]} list @param {Parameters<History['draw']>[1]} how */
  async #drawHistory(list, how) {
    try {
      this.history ??= new (await withRest(() => import('./history.js'))).History();
      this.history.draw(list, how);
    } catch {
      this.#failed(t('history.failed'), () => this.draw());
    }
  }

  /** @param {string} text @param {() => void} again */
  #failed(text, again) {
    this.announcer.problem(text, { label: t('retry'), run: again });
  }
}
