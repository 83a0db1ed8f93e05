/** @import { Prefs } from '../prefs.js' */

/** How much larger the text is, as in base.css. */
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
 * A media query knows the window but not the text size chosen here. Large text on a tablet needs the room of a phone's
 * layout, so the widths where layouts change grow with it.
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
