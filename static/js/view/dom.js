import { hasText, t } from '../text/index.js';

/**
 * An element that must exist: markup and scripts are served together.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id}`);
  return element;
}

/**
 * @param {ParentNode} root
 * @param {string} field
 * @returns {any}
 */
export function part(root, field) {
  const element = root.querySelector(`[data-f="${field}"]`);
  if (!element) throw new Error(`no ${field}`);
  return element;
}

/** Writes only changes: a write costs a layout and is read aloud. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value null removes it */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * @param {string} tag
 * @param {{class?: string, text?: string, [attribute: string]: string | undefined}} [attributes]
 * @param {(Node | string)[]} [children]
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    if (name === 'text') element.textContent = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * Puts a parent's children into the wanted order with few moves, so that focus and scroll position stay.
 * @param {Element} parent
 * @param {Element[]} wanted
 */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const child of wanted) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
}

/**
 * The place of an element in the page, without transforms; null while it is hidden.
 * @param {HTMLElement} element
 */
export function placeOf(element) {
  if (!element.offsetParent) return null;
  let [left, top] = [0, 0];
  for (let box = /** @type {HTMLElement | null} */ (element); box; box = /** @type {HTMLElement | null} */ (box.offsetParent)) {
    left += box.offsetLeft;
    top += box.offsetTop;
  }
  return { left, top, bottom: top + element.offsetHeight };
}

/** Replaces the markup's texts by those of the chosen language. @param {ParentNode} root */
export function translate(root) {
  for (const [attribute, target] of [['data-t', ''], ['data-t-label', 'aria-label'], ['data-t-placeholder', 'placeholder']]) {
    for (const element of root.querySelectorAll(`[${attribute}]`)) {
      const key = element.getAttribute(attribute) ?? '';
      if (!hasText(key)) continue;
      if (target) setAttribute(element, target, t(key));
      else setText(element, t(key));
    }
  }
}
