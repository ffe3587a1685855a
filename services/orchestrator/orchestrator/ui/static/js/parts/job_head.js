// The top of a job's page: what it is, how far it is, and the figures that matter.

import { fill, h } from "../dom.js";
import { count, dollars, NOTHING, number, share } from "../format.js";
import { specOf, teacherOf } from "./spec.js";
import { totals } from "./step_records.js";
import { doing, progressBar, statusBadge, TERMINAL, timeLeft } from "./status.js";

export function jobHead(head, job, tools, live) {
  const { progress, spec } = job;
  const what = spec && `${spec.method.name} · ${spec.task.name} · student ${spec.student.model.split("/").at(-1)} · teacher ${teacherOf(spec)}`;
  const text = JSON.stringify([job.status, progress.step, doing(job), timeLeft(job)]);
  if (head.shown === text) return;
  head.shown = text;
  fill(
    head,
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "/" }, "Jobs"), h("span", { "aria-hidden": "true" }, "/"), h("span", { class: "mono" }, job.id)),
    h("div", { class: "page-head" }, h("div", { class: "title-line" }, h("h1", {}, job.name), statusBadge(job.status), live), tools),
    h("p", { class: "muted" }, what),
    progressBar(job),
    h("p", { class: `wait ${job.error ? "bad" : ""}` }, h("span", { class: "strong" }, `Step ${count(progress.step)} of ${count(progress.steps)}`), timeLeft(job) ? ` · ${timeLeft(job)}` : "", doing(job) ? [" · ", h("span", { class: "wait-reason" }, doing(job))] : null),
  );
}

export function keyFigures(list, job, steps, evaluations) {
  const first = evaluations[0];
  const last = evaluations.at(-1);
  const newest = steps.at(-1);
  const { teacher_price_usd: spent, teacher_calls: calls } = totals(steps).at(-1) ?? { teacher_price_usd: 0, teacher_calls: 0 };
  const { teacher, evaluation } = specOf(job);
  const budget = teacher.budget?.usd;
  const within = `within ${evaluation.max_attempts ?? "all"}`;
  fill(
    list,
    figure("Unassisted", share(last?.unassisted_accuracy), first && last !== first ? `held out, from ${share(first.unassisted_accuracy)}` : "held out", "student"),
    figure("Guided", share(last?.guided_accuracy), first && last !== first ? `${within}, from ${share(first.guided_accuracy)}` : `${within} attempts`, "teacher"),
    figure("Decay factor μ", share(newest?.decay_factor), "what a second attempt earns", "mu"),
    figure("Throughput", newest ? number(newest.tokens_per_second) : NOTHING, "student tokens/s"),
    figure("Teacher", dollars(spent), `${count(calls)} calls${budget ? ` · of ${dollars(budget)}` : ""}`),
    TERMINAL.has(job.status) || !job.progress.failed_episodes ? null : figure("Failed episodes", count(job.progress.failed_episodes), "recorded, not trained"),
  );
}

function figure(name, value, note, kind = "") {
  return h("div", { class: `figure ${kind}` }, h("dt", {}, name), h("dd", {}, h("span", { class: "figure-value" }, value), h("span", { class: "figure-note" }, note)));
}
