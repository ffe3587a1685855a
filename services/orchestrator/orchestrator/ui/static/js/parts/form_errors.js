// What the server refused, beside the fields that it names, and all of it once at the top.

import { fill, h } from "../dom.js";

/** pydantic puts the chosen method's name into the path: method.socratic_po.gamma is the field method.gamma. */
const plainPath = (path) => path.replace(/^method\.[a-z_]+\./, "method.");

export function clearErrors(form, summary) {
  summary.hidden = true;
  fill(summary);
  for (const place of form.querySelectorAll(".field-error")) place.textContent = "";
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

export function showErrors(form, summary, problem) {
  const errors = problem.errors.length ? problem.errors : [{ field: "", message: problem.message }];
  fill(
    summary,
    h("h2", {}, errors.length === 1 ? "One thing to mend" : `${errors.length} things to mend`),
    h("ul", {}, errors.map((error) => h("li", {}, place(form, error)))),
  );
  summary.hidden = false;
  summary.focus();
}

/** Writes the message beside its field (or the nearest part that holds it) and returns a link to it. */
function place(form, { field, message }) {
  const text = message.replace(new RegExp(`^${field.replaceAll(".", "\\.")}: `), "");
  const path = plainPath(field);
  const target = nearest(form, path);
  if (!target) return path ? `${path}: ${text}` : text;
  for (let part = target; part; part = part.parentElement.closest("details")) if (part.tagName === "DETAILS") part.open = true;
  target.closest("details")?.setAttribute("open", "");
  const error = target.querySelector(".field-error");
  error.textContent = [error.textContent, text].filter(Boolean).join(" ");
  const input = target.querySelector("input, select, textarea");
  if (target.classList.contains("field")) input.setAttribute("aria-invalid", "true");
  return h("a", { href: `#${input.id}`, onclick: (event) => (event.preventDefault(), input.focus()) }, `${path}: ${text}`);
}

function nearest(form, path) {
  for (let at = path; at; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
    const found = form.querySelector(`[data-path="${CSS.escape(at)}"]`);
    if (found) return found;
  }
  return null;
}
