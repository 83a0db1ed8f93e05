/** @import { Card } from './order/card.js' */
/** @import { Formats } from './text/format.js' */
/** @import { Happenings } from './desk.js' */
/** @import { Floods } from './order/piles.js' */
/** @import { Toasts } from './view/toasts.js' */
import { numberOf, plain } from './order/card.js';
import { floodTitle, statusName, t } from './text/index.js';
import { sayPolitely } from './view/say.js';

/** Missed orders within this time are announced together. */
const GATHER_MS = 500;

/** Announces events on the screen and to screen readers. */
export class Announcer {
  /** @param {{toasts: Toasts, formats: Formats, show: (id: string) => void}} options */
  constructor({ toasts, formats, show }) {
    this.toasts = toasts;
    this.formats = formats;
    this.show = show;
    /** @type {Card[]} */
    this.missed = [];
    /** @type {Set<string>} sources of floods that were announced */
    this.flooding = new Set();
  }

  /** @param {Happenings} happenings */
  tell({ arrived, missed, marked }) {
    for (const card of arrived) this.#arrived(card);
    this.tellMissed(missed);
    for (const { card, mark } of marked) sayPolitely(t(`say.${mark.kind}`, { number: numberOf(card) }));
  }

  /** Announces each flood once, however many orders it has. @param {Floods} floods */
  tellFloods(floods) {
    for (const { key } of this.toasts.entries) if (key.startsWith('new ') && floods.of(key.slice(4))) this.toasts.close(key);
    for (const { source, cards, minutes } of floods.list) {
      if (this.flooding.has(source)) continue;
      const text = floodTitle(cards.length, minutes);
      this.toasts.show({ kind: 'new', key: `flood ${source}`, text, ms: 12_000, action: { label: t('alarm.show'), run: () => this.show(cards[0].id) } });
      sayPolitely(text);
    }
    this.flooding = new Set(floods.list.map(({ source }) => source));
  }

  /** @param {Card[]} cards */
  tellMissed(cards) {
    if (cards.length === 0) return;
    if (this.missed.length === 0) setTimeout(() => this.#flush(), GATHER_MS);
    this.missed.push(...cards);
  }

  /** @param {Card} card */
  line(card) {
    const { name, items, total } = this.#facts(card);
    return t('toast.new.detail', { name, items, total });
  }

  /** @param {import('./order/edits.js').Move} move @param {() => void} undo @param {number} ms */
  moved({ id, to, number }, undo, ms) {
    const text = t('undo.moved', { number, status: statusName(to) });
    this.toasts.close(`new ${id}`);
    this.toasts.show({ key: `move ${id}`, text, ms, action: { label: t('undo'), run: undo, countdown: true } });
    sayPolitely(text);
  }

  /** @param {string} text @param {{label: string, run: () => void}} [action] */
  problem(text, action) {
    this.toasts.show({ kind: 'bad', text, ms: 12_000, action });
    sayPolitely(text);
  }

  #flush() {
    const cards = this.missed;
    this.missed = [];
    const numbers = cards.slice(0, 5).map(numberOf).join(', ');
    const action = { label: t('alarm.show'), run: () => this.show(cards[0].id) };
    this.toasts.show({ kind: 'new', key: 'missed', text: t('toast.missed', { n: cards.length }), detail: numbers, ms: 12_000, action });
    sayPolitely(t('say.missed', { n: cards.length }));
  }

  /** @param {Card} card */
  #arrived(card) {
    const number = numberOf(card);
    const action = { label: t('alarm.show'), run: () => this.show(card.id) };
    this.toasts.show({ kind: 'new', key: `new ${card.id}`, text: t('toast.new', { number }), detail: this.line(card), action });
    sayPolitely(t('say.new', { number, ...this.#facts(card) }));
  }

  /** @param {Card} card */
  #facts(card) {
    return {
      name: plain(card.customerName, 60) || t('card.guest'),
      items: t('card.items', { n: card.itemCount }),
      total: card.total === null ? t('card.nototal') : this.formats.money(card.total),
    };
  }
}
