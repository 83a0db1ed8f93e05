/**
 * The preferences of this device; kept here and not on the server, because the kitchen's tablet and the owner's phone differ.
 *
 * @typedef {object} Prefs
 * @property {number} volume         0 to 1
 * @property {boolean} muted
 * @property {string} tone
 * @property {'system' | 'light' | 'dark'} theme
 * @property {'normal' | 'large' | 'huge'} textSize
 * @property {number} warnMinutes
 * @property {number} lateMinutes
 * @property {boolean} keys          single-key shortcuts
 * @property {boolean} notify        desktop notifications
 * @property {58 | 80} paper         mm
 * @property {boolean} autoPrint
 * @property {boolean} stayAwake
 * @property {'oldest' | 'newest'} sort
 */

/** @type {Prefs} */
export const DEFAULTS = {
  volume: 0.8,
  muted: false,
  tone: 'bell',
  theme: 'system',
  textSize: 'normal',
  warnMinutes: 5,
  lateMinutes: 10,
  keys: true,
  notify: false,
  paper: 80,
  autoPrint: false,
  stayAwake: true,
  sort: 'oldest',
};

/** @type {Record<string, readonly unknown[]>} */
const CHOICES = {
  tone: ['bell', 'chime', 'counter', 'beeper'],
  theme: ['system', 'light', 'dark'],
  textSize: ['normal', 'large', 'huge'],
  paper: [58, 80],
  sort: ['oldest', 'newest'],
};

/** @type {Record<string, [number, number]>} */
const RANGES = { volume: [0, 1], warnMinutes: [1, 240], lateMinutes: [1, 480] };

/**
 * Reads stored preferences. Invalid values, such as those of another version, are replaced by defaults.
 * @param {string | null} text
 * @returns {Prefs}
 */
export function readPrefs(text) {
  /** @type {any} */
  let stored;
  try {
    stored = JSON.parse(text ?? '{}');
  } catch {
    stored = {};
  }
  /** @type {any} */
  const prefs = { ...DEFAULTS };
  for (const [key, fallback] of Object.entries(DEFAULTS)) {
    const value = stored?.[key];
    if (typeof value !== typeof fallback) continue;
    if (CHOICES[key] && !CHOICES[key].includes(value)) continue;
    if (RANGES[key] && !(value >= RANGES[key][0] && value <= RANGES[key][1])) continue;
    prefs[key] = value;
  }
  if (prefs.lateMinutes <= prefs.warnMinutes) prefs.lateMinutes = prefs.warnMinutes + 1;
  return prefs;
}

/**
 * @template T
 * @param {string} key
 * @param {T} fallback
 * @returns {T}
 */
export function recall(key, fallback) {
  try {
    const text = localStorage.getItem(`orderbell.${key}`);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

/** Stores a value. Storage may be full or blocked; the desk works without it. @param {string} key @param {unknown} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`orderbell.${key}`, JSON.stringify(value));
  } catch {
    // The desk works without it.
  }
}

/** The preferences in use. */
export class DevicePrefs {
  constructor() {
    this.now = stored();
    /** @type {(prefs: Prefs) => void} */
    this.changed = () => {};
  }

  /** @param {Partial<Prefs>} change */
  set(change) {
    this.#use({ ...this.now, ...change });
    remember('prefs', this.now);
  }

  /** Another tab has changed them. */
  reload() {
    this.#use(stored());
  }

  /** @param {Prefs} prefs */
  #use(prefs) {
    this.now = prefs;
    this.changed(prefs);
  }
}

function stored() {
  return readPrefs(JSON.stringify(recall('prefs', {})));
}
