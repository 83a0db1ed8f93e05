/** @import { Desk } from '../desk.js' */
/** @import { Prefs } from '../prefs.js' */
/** @import { Card } from '../order/card.js' */
/** @import { Verdict } from './plan.js' */
/** @import { Sound } from './sound.js' */
/** @import { Gossip } from '../tabs/sounder.js' */
import { Sleep } from '../clock.js';
import { Ensemble, EXPIRY_MS, WAKE_MS } from '../tabs/sounder.js';
import { Alarm, waitingOrders } from './plan.js';

/**
 * Rings in one tab of this browser while an order waits. Its clock is monotonic, so setting the device's clock neither
 * silences it nor makes it ring twice.
 */
export class Bell {
  /**
   * @param {object} options
   * @param {Desk} options.desk
   * @param {Pick<Sound, 'volume' | 'tone' | 'unlocked' | 'ring'>} options.sound
   * @param {() => Prefs} options.prefs
   * @param {string} options.tab
   * @param {() => number} options.clock monotonic
   * @param {() => number} options.wall  only to detect that the device has slept
   * @param {boolean} options.focused
   * @param {(gossip: Gossip) => void} options.post to the other tabs
   */
  constructor({ desk, sound, prefs, tab, clock, wall, focused, post }) {
    this.desk = desk;
    this.sound = sound;
    this.prefs = prefs;
    this.clock = clock;
    this.post = post;
    this.alarm = new Alarm();
    this.sleep = new Sleep(clock, wall);
    this.ensemble = new Ensemble(tab, clock(), post, focused);
    /** @type {Card[]} */
    this.waiting = [];
    /** @type {{id: string, createdAt: number}[]} what the alarm counts: a flood once */
    this.entries = [];
  }

  /** @param {boolean} visible @returns {Verdict} */
  tick(visible) {
    const now = this.clock();
    const { volume, tone, muted } = this.prefs();
    this.sound.volume = volume;
    this.sound.tone = tone;
    const unlocked = this.sound.unlocked && !muted && volume > 0;
    if (this.sleep.passed() > EXPIRY_MS) this.alarm.hold(now + WAKE_MS);
    this.ensemble.update({ unlocked, visible }, now);
    this.waiting = waitingOrders(this.desk.cards(), this.desk.now());
    this.entries = this.desk.floods.condense(this.waiting);
    const facts = { now, serverNow: this.desk.now(), waiting: this.entries, lastRung: this.ensemble.lastRung };
    const verdict = this.alarm.judge(facts);
    if (verdict.ring && unlocked && this.isSounder() && this.sound.ring(verdict.urgent)) {
      this.ensemble.rang(now);
      this.alarm.rang();
    }
    return verdict;
  }

  /** The order that has waited longest; one of a flood only if no other waits. @returns {Card | null} */
  get oldest() {
    const real = this.waiting.filter(({ id }) => this.desk.floods.of(id) === null && !this.desk.floods.undecided.has(id));
    return real.at(-1) ?? this.waiting.at(-1) ?? null;
  }

  isChosen() {
    return this.ensemble.isChosen(this.clock());
  }

  isSounder() {
    return this.ensemble.isSounder(this.clock());
  }

  /** Whether a ring of this browser would be audible. */
  audible() {
    return this.ensemble.anyUnlocked(this.clock());
  }

  snooze() {
    this.alarm.snooze(this.clock());
    this.post({ t: 'snooze' });
  }

  /** Handles a message of another tab. @param {Gossip} gossip */
  hear(gossip) {
    const now = this.clock();
    // A snooze from before this tab woke may be over: one ring too many is better than a minute of silence.
    if (gossip.t === 'snooze' && !this.ensemble.slept(now)) this.alarm.snooze(now);
    if (gossip.t === 'rung') this.alarm.rang();
    this.ensemble.hear(gossip, now);
  }
}
