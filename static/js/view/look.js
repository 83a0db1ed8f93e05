/** @import { Prefs } from '../prefs.js' */

/** Factors of the text size, the same as in base.css. */
const SCALE = { normal: 1, large: 1.18, huge: 1.4 };

/** @param {Prefs} prefs */
export function applyLook({ theme, textSize }) {
  const root = document.documentElement;
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'dark' : 'light';
  root.dataset.size = textSize;
  scaleThresholds(SCALE[textSize]);
}

/** @type {WeakMap<CSSMediaRule, string>} the queries as they were written */
const written = new WeakMap();

/**
 * Adapts media queries to the text size chosen here, which they don't know. Large text on a tablet needs the layout of a phone,
 * so the widths where layouts change grow with it.
 * @param {number} factor
 */
function scaleThresholds(factor) {
  for (const rule of [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])) {
    if (!(rule instanceof CSSMediaRule)) continue;
    const query = written.get(rule) ?? rule.media.mediaText;
    written.set(rule, query);
    rule.media.mediaText = query.replace(/(\d+)px/g, (_, width) => `${Number(width) * factor}px`);
  }
}
