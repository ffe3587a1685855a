// A job's status as people see it.

import { h } from "../dom.js";
import { duration } from "../format.js";

export const TERMINAL = new Set(["succeeded", "failed", "cancelled"]);

const PAUSE_REASONS = { user: "paused by a user", budget_exhausted: "the teacher's budget is spent", disk_full: "the disk is full", storage_failed: "the storage failed" };

export function statusBadge(status) {
  return h("span", { class: `badge status-${status}` }, h("span", { class: "dot", "aria-hidden": "true" }), status);
}

export function progressBar(job) {
  const { step, steps } = job.progress;
  const done = steps ? (100 * step) / steps : 0;
  return h(
    "div",
    { class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": steps ?? step, "aria-valuenow": step, "aria-label": `Steps of ${job.name}` },
    h("div", { class: `progress-done status-${job.status}`, style: { width: `${done}%` } }),
  );
}

/** What the job does at this moment, or why it stands still. */
export function doing(job) {
  if (job.error) return job.error.detail || job.error.code;
  if (job.unreadable_spec) return job.unreadable_spec.detail;
  if (job.queue_position) return `number ${job.queue_position} in the queue${job.wait_reason ? `: ${job.wait_reason}` : ""}`;
  if (job.wait_reason) return job.wait_reason;
  if (job.pause_reason) return PAUSE_REASONS[job.pause_reason] ?? job.pause_reason;
  return TERMINAL.has(job.status) ? "" : "starting";
}

export function timeLeft(job) {
  if (TERMINAL.has(job.status)) {
    return job.started_at && job.finished_at ? `took ${duration(job.finished_at - job.started_at)}` : "";
  }
  return job.progress.seconds_left === null ? "" : `${duration(job.progress.seconds_left)} left`;
}
