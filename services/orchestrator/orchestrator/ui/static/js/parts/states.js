// What a view shows when there is nothing yet, nothing at all, or an error.

import { h } from "../dom.js";

export function loading() {
  return h("div", { class: "state", role: "status" }, h("div", { class: "spinner", "aria-hidden": "true" }), h("p", { class: "muted" }, "Loading"));
}

/** `hint` says what to do about it. */
export function empty(text, ...hint) {
  return h("div", { class: "state empty" }, h("p", { class: "state-title" }, text), hint.length ? h("p", { class: "muted" }, ...hint) : null);
}

export function failure(error, again) {
  const id = error.requestId ? h("p", { class: "muted small" }, `Request ${error.requestId}`) : null;
  const button = again ? h("button", { type: "button", onclick: again }, "Try again") : null;
  return h("div", { class: "state problem", role: "alert" }, h("p", { class: "state-title" }, error.message), id, button);
}
