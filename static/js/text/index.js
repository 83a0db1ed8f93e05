/**
 * The texts of one language, which come with the page. `{name}` stands for a value; a text with plurals is an object of the
 * categories of `Intl.PluralRules`, chosen by `{n}`.
 *
 * @typedef {Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>} Texts
 */

/** @type {Texts} */
let texts = {};
let plurals = new Intl.PluralRules();

/** Must be called before all other functions. @param {Texts} given @param {string} language */
export function useTexts(given, language) {
  texts = given;
  plurals = new Intl.PluralRules(language);
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
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
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
