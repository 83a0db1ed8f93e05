/**
 * The place of each card, and since when it is there. A user aims before the tap lands, so a tap on a card that has just moved
 * to this place was meant for another one and is ignored.
 *
 * @typedef {object} Place
 * @property {number} left    px in the page
 * @property {number} top
 * @property {number} bottom  where the buttons are
 * @property {string} doing   what its buttons do
 * @property {string} status
 */

export const STEADY_MS = 400;
/** A smaller move doesn't count as another place. */
const NEAR_PX = 8;

export class Places {
  constructor() {
    /** @type {Map<string, {place: Place, since: number, statusSince: number}>} */
    this.places = new Map();
    /** When the focus last moved to a card because the focused one left. */
    this.passedOn = -Infinity;
  }

  /**
   * Records the places of all visible cards.
   * @param {Iterable<[string, Place]>} seen
   * @param {number} now monotonic ms
   */
  note(seen, now) {
    const next = new Map();
    for (const [id, place] of seen) {
      const known = this.places.get(id);
      if (known && isSame(known.place, place)) next.set(id, known);
      else next.set(id, { place, since: now, statusSince: known && known.place.status !== place.status ? now : (known?.statusSince ?? -Infinity) });
    }
    this.places = next;
  }

  /**
   * Records an action on this card, which it may not show yet.
   * @param {string} id @param {boolean} moved whether its status changes by it @param {number} now
   */
  acted(id, moved, now) {
    const known = this.places.get(id);
    if (known) this.places.set(id, { ...known, since: now, statusSince: moved ? now : known.statusSince });
  }

  /** Whether a pointer that went down at `then` was aimed at this card. @param {string} id @param {number} then monotonic ms */
  isAimedAt(id, then) {
    const known = this.places.get(id);
    return known !== undefined && then - known.since >= STEADY_MS;
  }

  /** Whether a key pressed now is meant for the focused card. @param {string} id @param {number} now */
  isMeant(id, now) {
    return now - this.passedOn >= STEADY_MS && now - (this.places.get(id)?.statusSince ?? -Infinity) >= STEADY_MS;
  }
}

/** @param {Place} a @param {Place} b */
function isSame(a, b) {
  const near = (/** @type {number} */ one, /** @type {number} */ other) => Math.abs(one - other) <= NEAR_PX;
  return near(a.left, b.left) && near(a.top, b.top) && near(a.bottom, b.bottom) && a.doing === b.doing && a.status === b.status;
}
