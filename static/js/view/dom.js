/**
 * An element that must exist: markup and scripts are served together.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type] its class, if more than an `HTMLElement` is needed
 * @returns {T}
 */
export function byId(id, type) {
  return checked(document.getElementById(id), type, `#${id}`);
}

/**
 * An element within another one, which must exist.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [type] its class, if more than an `HTMLElement` is needed
 * @returns {T}
 */
export function one(root, selector, type) {
  return checked(root.querySelector(selector), type, selector);
}

/** A field of a card or banner, which must exist. @param {ParentNode} root @param {string} field */
export function part(root, field) {
  return one(root, `[data-f="${field}"]`);
}

/** @param {ParentNode} root @param {string} selector */
export function all(root, selector) {
  return [...root.querySelectorAll(selector)].filter((element) => element instanceof HTMLElement);
}

/**
 * @template {Element} T
 * @param {Element | null} element
 * @param {(new () => T) | undefined} type
 * @param {string} name
 * @returns {T}
 */
function checked(element, type, name) {
  if (element instanceof (type ?? HTMLElement)) return /** @type {T} */ (element);
  throw new Error(`no ${name}`);
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
