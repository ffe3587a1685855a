// A question before what cannot be undone.

import { h } from "../dom.js";

/** Whether the user chose `yes`. */
export function confirmed({ title, text, yes, no }) {
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "confirm-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "confirm-title" }, title),
      h("p", {}, text),
      h("div", { class: "actions" }, h("button", { class: "danger", value: "yes" }, yes), h("button", { value: "no", class: "quiet" }, no)),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}
