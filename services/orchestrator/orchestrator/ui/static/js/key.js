// The API key, where the server wants one: kept for this tab only.

import { h } from "./dom.js";

const NAME = "api-key";

export function authorization() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

let asking;

/** Resolves to true once a key was given, to false when the user would rather not. `why`: what the server said. */
export function askForKey(why = "") {
  asking ??= ask(why).finally(() => (asking = undefined));
  return asking;
}

function ask(why) {
  const input = h("input", { id: "key-input", type: "password", autocomplete: "off", spellcheck: "false" });
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "key-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "key-title" }, "API key"),
      h("p", { class: "muted" }, "Needed where the server was started with keys. It stays in this tab and is forgotten when you close it."),
      why ? h("p", { class: "field-error" }, why) : null,
      h("label", { for: "key-input" }, "Key"),
      input,
      h("div", { class: "actions" }, h("button", { class: "primary", value: "use" }, "Use this key"), h("button", { value: "cancel", class: "quiet" }, "Cancel")),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const use = dialog.returnValue === "use";
      if (use && input.value) sessionStorage.setItem(NAME, input.value.trim());
      if (use && !input.value) sessionStorage.removeItem(NAME);
      dialog.remove();
      resolve(use);
    });
  });
}
