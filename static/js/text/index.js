/**
 * The texts of one language, which come with the page. `{name}` stands for a value; a text with plurals is an object of the
 * categories of `Intl.PluralRules`, chosen by `{n}`.
 *
 * @typedef {Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>} Texts
 */

/** @type {Texts} */
let texts = {};
let plurals = new Intl.PluralRules();
let numbers = new Intl.NumberFormat();
let rtl = false;
/** The locale of texts, numbers and times. */
export let locale = 'en';
/** @type {Map<string, Intl.NumberFormat>} */
const units = new Map();

/** Must be called before all other functions. @param {Texts} given @param {string} ofLocale @param {boolean} [fromRight] */
export function useTexts(given, ofLocale, fromRight = false) {
  texts = given;
  locale = ofLocale;
  rtl = fromRight;
  plurals = new Intl.PluralRules(locale);
  numbers = new Intl.NumberFormat(locale);
  units.clear();
}

/** @param {Texts} more */
export function addTexts(more) {
  texts = { ...texts, ...more };
}

const FROM_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** Keeps a value's direction from mixing with that of the text around it, as `<bdi>` does in markup. @param {string} value */
export function isolate(value) {
  return value && (rtl || FROM_RIGHT.test(value)) ? `\u2068${value}\u2069` : value;
}

/**
 * A number and its unit, such as "5m".
 * @param {number} n @param {string} unit @param {'narrow' | 'short'} [unitDisplay] @param {number} [minimumIntegerDigits]
 */
export function quantity(n, unit, unitDisplay = 'narrow', minimumIntegerDigits = 1) {
  const key = `${unit} ${unitDisplay} ${minimumIntegerDigits}`;
  const format = units.get(key) ?? new Intl.NumberFormat(locale, { ...(unit && { style: 'unit', unit, unitDisplay }), minimumIntegerDigits });
  units.set(key, format);
  return format.format(n);
}

/**
 * The text of a key; the key itself if there is none.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  if (!hasText(key)) return key;
  const found = texts[key];
  const text = typeof found === 'string' ? found : (found[plurals.select(Number(values.n))] ?? found.other ?? '');
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? shown(values[name]) : whole));
}

/** @param {string | number} value */
function shown(value) {
  return typeof value === 'number' ? numbers.format(value) : isolate(value);
}

/** @param {string} key */
export function hasText(key) {
  return Object.hasOwn(texts, key);
}

/** The name of a status; an unknown one is shown as it is. @param {string} status */
export function statusName(status) {
  if (status === '') return t('status.none');
  return hasText(`status.${status}`) ? t(`status.${status}`) : status;
}

/** The label of the button to a status. @param {string} status */
export function stepName(status) {
  return hasText(`do.${status}`) ? t(`do.${status}`) : t('do.other', { status: statusName(status) });
}

/** The line for a flood of orders. @param {number} n @param {number} minutes */
export function floodTitle(n, minutes) {
  return t('flood.title', { n, minutes: t('flood.minutes', { n: minutes }) });
}

/** Why the server refused something. @param {{code: string, status: number}} answer */
export function refusal({ code, status }) {
  return hasText(`error.${code}`) ? t(`error.${code}`) : t('error.other', { status: String(status) });
}
