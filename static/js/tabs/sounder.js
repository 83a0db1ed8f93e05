/**
 * Which of this browser's tabs makes the sound. Every tab tells the others about itself and all of them apply the
 * same rule, so no one has to be in charge.
 *
 * @typedef {object} Presence
 * @property {string} tab
 * @property {boolean} unlocked   may play sound
 * @property {boolean} visible
 * @property {number} focusedAt   local ms of the last focus, 0 for never
 * @property {number} at          local ms when said
 */

export const PRESENCE_MS = 1000;
export const EXPIRY_MS = 3000;
/** A newcomer listens before it speaks, or two tabs would ring at once. */
export const SETTLE_MS = 400;
/** One that slept first has to hear what became of the orders that it missed. */
export const WAKE_MS = 1500;

/**
 * @param {Iterable<Presence>} peers
 * @param {number} now
 * @returns {Presence | null}
 */
export function chooseSounder(peers, now) {
  /** @type {Presence | null} */
  let best = null;
  for (const peer of peers) {
    if (now - peer.at > EXPIRY_MS) continue;
    if (!best || isBetter(peer, best)) best = peer;
  }
  return best;
}

/** @param {Presence} a @param {Presence} b */
function isBetter(a, b) {
  if (a.unlocked !== b.unlocked) return a.unlocked;
  if (a.visible !== b.visible) return a.visible;
  if (a.focusedAt !== b.focusedAt) return a.focusedAt > b.focusedAt;
  return a.tab < b.tab;
}

/**
 * @typedef {{t: 'here', me: Presence, ask: boolean, lastRung: number} | {t: 'gone', tab: string} | {t: 'rung', at: number}
 *   | {t: 'snooze', at: number}} Gossip
 */

export class Ensemble {
  /**
   * @param {string} tab
   * @param {number} now
   * @param {(gossip: Gossip) => void} tell
   */
  constructor(tab, now, tell) {
    this.tell = tell;
    this.quietUntil = now + SETTLE_MS;
    this.updatedAt = now;
    this.saidAt = 0;
    this.lastRung = 0;
    /** @type {Presence} */
    this.me = { tab, unlocked: false, visible: true, focusedAt: 0, at: now };
    /** @type {Map<string, Presence>} */
    this.peers = new Map([[tab, this.me]]);
    this.say(now, true);
  }

  /** @param {Partial<Presence>} facts @param {number} now */
  update(facts, now) {
    const me = this.me;
    if (now - this.updatedAt > EXPIRY_MS) this.quietUntil = now + WAKE_MS;
    this.updatedAt = now;
    const changed = Object.entries(facts).some(([key, value]) => me[/** @type {keyof Presence} */ (key)] !== value);
    Object.assign(me, facts);
    if (changed || now - this.saidAt >= PRESENCE_MS) this.say(now, false);
  }

  /** @param {number} now @param {boolean} ask for an answer */
  say(now, ask) {
    this.saidAt = now;
    this.me.at = now;
    this.tell({ t: 'here', me: { ...this.me }, ask, lastRung: this.lastRung });
  }

  /** @param {Gossip} gossip @param {number} now */
  hear(gossip, now) {
    if (gossip.t === 'gone') this.peers.delete(gossip.tab);
    else if (gossip.t === 'snooze') return;
    else if (gossip.t === 'rung') this.lastRung = Math.max(this.lastRung, gossip.at);
    else {
      this.lastRung = Math.max(this.lastRung, gossip.lastRung);
      this.peers.set(gossip.me.tab, gossip.me);
      if (gossip.ask) this.say(now, false);
    }
  }

  /** @param {number} now */
  rang(now) {
    this.lastRung = now;
    this.tell({ t: 'rung', at: now });
  }

  leave() {
    this.tell({ t: 'gone', tab: this.me.tab });
  }

  /** Whether it falls to this tab to sound, be it only in a moment. @param {number} now */
  isChosen(now) {
    this.me.at = now;
    return chooseSounder(this.peers.values(), now)?.tab === this.me.tab;
  }

  /** @param {number} now */
  isSounder(now) {
    return now >= this.quietUntil && this.isChosen(now);
  }

  /** Whether any tab of this browser can be heard. @param {number} now */
  anyUnlocked(now) {
    return [...this.peers.values()].some((peer) => peer.unlocked && (peer === this.me || now - peer.at <= EXPIRY_MS));
  }
}
