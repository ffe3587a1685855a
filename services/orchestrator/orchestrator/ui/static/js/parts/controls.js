// Pause, resume, cancel: what the job's status allows.

import { post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { confirmed } from "./confirm.js";
import { TERMINAL } from "./status.js";

const PAUSABLE = new Set(["running"]);
const RESUMABLE = new Set(["paused", "pausing"]);

/** Buttons in `container`; `done` gets the job as the server answered. */
export function controls(container, job, done) {
  const problem = h("p", { class: "field-error", role: "alert" });
  const button = (action, label, kind = "") =>
    h("button", { type: "button", class: kind, dataset: { action }, onclick: (event) => act(event.target, action) }, label);

  async function act(pressed, action) {
    if (action === "cancel" && !(await confirmed(cancelling(job)))) return;
    pressed.disabled = true;
    problem.textContent = "";
    try {
      done(await post(`/v1/jobs/${job.id}/${action}`));
      announce(`${job.name}: ${action} asked for`);
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      pressed.disabled = false;
    }
  }

  const live = !TERMINAL.has(job.status) && job.status !== "cancelling";
  fill(
    container,
    PAUSABLE.has(job.status) ? button("pause", "Pause") : null,
    RESUMABLE.has(job.status) ? button("resume", "Resume", "primary") : null,
    live ? button("cancel", "Cancel", "danger") : null,
    h("a", { class: "button", href: `/new?from=${encodeURIComponent(job.id)}` }, "Clone"),
    problem,
  );
}

const cancelling = (job) => ({
  title: `Cancel ${job.name}?`,
  text: "Training stops for good. Checkpoints, episodes and curves stay.",
  yes: "Cancel the job",
  no: "Keep it running",
});
