// Elements without markup: every text becomes a text node, so that what a model wrote is shown, never run.

const SVG = "http://www.w3.org/2000/svg";

/** h("a", {class: "x", href, onclick, dataset: {}, style: {"--x": 1}}, child, "text", [children]) */
export function h(name, properties = {}, ...children) {
  return dress(document.createElement(name), properties, children);
}

/** The same for SVG. */
export function svg(name, properties = {}, ...children) {
  return dress(document.createElementNS(SVG, name), properties, children);
}

function dress(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, it] of Object.entries(value)) element.style.setProperty(key, it);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put these children in place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Text that only screen readers get. */
export function unseen(text) {
  return h("span", { class: "unseen" }, text);
}

/** Say something to screen readers. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Rows by key: unchanged ones stay in place (and keep the focus), changed ones are made anew. */
export function keyed(container, items, keyOf, make) {
  const known = new Map([...container.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const old = known.get(key);
    if (old?.content === text) return old;
    const made = make(item);
    made.dataset.key = key;
    made.content = text;
    return made;
  });
  if (wanted.length === container.children.length && wanted.every((row, at) => row === container.children[at])) return;
  const focused = document.activeElement?.closest?.("[data-key]")?.dataset.key;
  const place = focused && [...container.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  container.replaceChildren(...wanted);
  if (focused && place >= 0) [...container.querySelectorAll(FOCUSABLE)][place]?.focus();
}

const FOCUSABLE = "a[href], button, input, select";
