/** @import { Answer } from './api.js' */
/** @import { Announcer } from './announce.js' */
/** @import { Card } from './order/card.js' */
/** @import { Move } from './order/edits.js' */
/** @import { Toasts } from './view/toasts.js' */
import { numberOf, plain } from './order/card.js';
import { UNDO_MS } from './order/edits.js';
import { refusal, statusName, t } from './text/index.js';

/** Tells the outcome of actions on orders: the voice of `Actions`. */
export class Outcomes {
  /** @param {{announcer: Announcer, toasts: Toasts, changed: () => void, undo: (id: string) => void, ended: () => void}} options */
  constructor({ announcer, toasts, changed, undo, ended }) {
    this.announcer = announcer;
    this.toasts = toasts;
    this.changed = changed;
    this.undo = undo;
    this.ended = ended;
  }

  /** @param {Move} move */
  moved(move) {
    this.announcer.moved(move, () => this.undo(move.id), UNDO_MS);
  }

  /** @param {Move} move */
  undone({ id, number, from }) {
    this.toasts.show({ text: t('undo.done', { number, status: statusName(from) }), key: `move ${id}`, ms: 3000 });
  }

  /** @param {Card} card @param {Card} now */
  conflict(card, now) {
    this.toasts.close(`move ${card.id}`);
    this.announcer.problem(conflictText(card, now));
  }

  /** @param {Card} card @param {Answer} answer @param {() => void} again */
  failed(card, answer, again) {
    this.toasts.close(`move ${card.id}`);
    const number = numberOf(card);
    const { status } = answer;
    if (status === 404) return this.announcer.problem(t('failed.gone', { number }));
    const text = status === 0 ? t('failed.offline', { number }) : t('failed', { number, message: refusal(answer) });
    this.announcer.problem(text, { label: t('retry'), run: again });
  }
}

/** The message for a change that was refused. @param {Card} card as it was changed here @param {Card} now */
export function conflictText(card, now) {
  const facts = { number: numberOf(card), status: statusName(plain(now.status, 60)), name: plain(now.changedBy, 60) };
  return t(facts.name ? 'conflict.by' : 'conflict.elsewhere', facts);
}
