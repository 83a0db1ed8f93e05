/** @import { Attention } from './attention.js' */
/** @import { Bell } from './bell.js' */
/** @import { Desk, Happenings } from '../desk.js' */
/** @import { Card } from '../order/card.js' */
/** @import { Prefs } from '../prefs.js' */
import { drawAlarm, drawSound } from '../view/alarm-bar.js';

/** Draws attention to new orders: rings, shows how many wait, prints and notifies. */
export class Alerts {
  /** @param {{desk: Desk, bell: Bell, prefs: () => Prefs, print: (card: Card) => void, line: (card: Card) => string}} options */
  constructor({ desk, bell, prefs, print, line }) {
    this.desk = desk;
    this.bell = bell;
    this.prefs = prefs;
    this.print = print;
    this.line = line;
    /** @type {Set<string>} new orders that still have to be printed */
    this.toPrint = new Set();
    /** @type {Set<string>} new orders that still need a notification */
    this.toNotify = new Set();
    /** @type {Attention | null} */
    this.attention = null;
  }

  /** @param {Happenings} happenings */
  note({ arrived, missed }) {
    if (this.prefs().autoPrint) for (const { id } of [...arrived, ...missed]) this.toPrint.add(id);
    if (document.hidden && this.prefs().notify) for (const { id } of arrived) this.toNotify.add(id);
  }

  /** Must be called twice a second, and when something has changed. */
  tick() {
    const { bell } = this;
    const verdict = bell.tick(!document.hidden);
    drawAlarm(verdict);
    drawSound({ audible: bell.audible(), muted: this.prefs().muted });
    this.#attract(verdict.waiting).catch(() => {});
    this.#handOut();
  }

  /** Shows waiting orders outside of the page; the next tick repeats a failed import. @param {number} waiting */
  async #attract(waiting) {
    if (!this.attention && waiting === 0) return;
    const { Attention } = await import('./attention.js');
    this.attention ??= new Attention(document.querySelector('link[rel="icon"]')?.getAttribute('href') ?? '');
    this.attention.show(this.bell.entries.length);
  }

  /** Prints and notifies, if this tab is the one that rings. */
  #handOut() {
    const { desk, bell, attention, toPrint, toNotify } = this;
    // Orders of a flood are neither printed nor notified.
    for (const wanted of [toNotify, toPrint]) for (const id of wanted) if (desk.floods.of(id)) wanted.delete(id);
    if (bell.isChosen() && !bell.isSounder()) return;
    const mine = bell.isSounder();
    if (attention) {
      const news = [...toNotify].flatMap((id) => desk.shown(id) ?? []);
      toNotify.clear();
      if (mine && document.hidden) attention.notify(news, this.line);
    }
    for (const id of toPrint) {
      const card = desk.shown(id);
      if (mine && card?.partial) continue;
      toPrint.delete(id);
      if (mine && card) this.print(card);
    }
  }
}
