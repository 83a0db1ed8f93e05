import { en } from './en.js';

/**
 * @typedef {Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>} Texts
 */

/** @type {Record<string, Texts>} */
const LANGUAGES = { en };

/** The language of the texts. */
export const language = 'en';
const texts = LANGUAGES[language];
const plurals = new Intl.PluralRules(language);

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const found = texts[key];
  if (found === undefined) return key;
  const text = typeof found === 'string' ? found : (found[plurals.select(Number(values.n))] ?? found.other ?? '');
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/** Adds texts of the language, for parts that are loaded later. @param {Texts} more */
export function learn(more) {
  Object.assign(texts, more);
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
