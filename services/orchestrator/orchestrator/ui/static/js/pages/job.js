// One job, live: where it stands, its curves, its steps, its events.

import { all, get } from "../api.js";
import { fill, h } from "../dom.js";
import { checkpointList } from "../parts/checkpoints.js";
import { controls } from "../parts/controls.js";
import { curves } from "../parts/curves.js";
import { eventList } from "../parts/events.js";
import { jobHead, keyFigures } from "../parts/job_head.js";
import { configuration, specOf } from "../parts/spec.js";
import { failure } from "../parts/states.js";
import { stepRecords } from "../parts/step_records.js";
import { stepTable } from "../parts/step_table.js";
import { TERMINAL } from "../parts/status.js";
import { follow, poll } from "../stream.js";

const LOOK_MILLISECONDS = 1500;

export async function show({ main, parameters: [id], signal, title }) {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const newest = await get(`${path}/events`, { order: "desc", limit: 100 }, signal);
  const job = await get(path, {}, signal);
  title(job.name);
  const [steps, evaluations] = await Promise.all([stepRecords(path, job, signal), all(`${path}/evaluations`, {}, signal)]);
  const state = { job, steps: byStep(steps.curve), recent: byStep(steps.recent), evaluations: byStep(evaluations) };
  const view = build(main, job, signal);
  const refresh = onceAFrame(() => view.draw(state));
  view.events.older(newest);
  refresh();

  const look = async () => {
    try {
      state.job = await get(path, {}, signal);
      refresh();
    } catch {
      // The stream tells of a server that is away; the next look finds it again.
    }
  };
  const over = () => TERMINAL.has(state.job.status);
  if (over()) return;
  poll(async () => over() || look(), LOOK_MILLISECONDS, signal);
  try {
    await follow(`${path}/events/stream`, { after: newest.first_id, signal, over, onState: view.connection, onEvent });
  } catch (error) {
    if (!signal.aborted) view.tools.append(failure(error));
  }

  function onEvent(event) {
    view.events.add(event);
    if (event.type === "step.trained") for (const records of [state.steps, state.recent]) records.set(event.record.step, event.record);
    if (event.type === "evaluation.finished") state.evaluations.set(event.record.step, event.record);
    if (event.type === "job.status") look();
    refresh();
    return event.type === "job.status" && TERMINAL.has(event.status);
  }
}

function build(main, job, signal) {
  const head = h("header", { class: "job-head" });
  const tools = h("div", { class: "page-tools" });
  const live = h("p", { class: "live", role: "status" });
  const figures = h("dl", { class: "figures" });
  const charts = curves(specOf(job), signal);
  const table = stepTable(job.id);
  const events = eventList(job.id);
  const spec = h("details", { class: "card" }, h("summary", {}, "Configuration"), h("pre", { class: "code", tabindex: 0, "aria-label": "Configuration" }, configuration(job)));
  fill(main, head, figures, charts.element, h("div", { class: "columns" }, table.element, events.element), checkpointList(job.id), spec);
  let shownStatus;
  return {
    tools,
    events,
    connection(kind) {
      live.dataset.kind = kind;
      live.textContent = { live: "Live", broken: "Connection lost, trying again", ended: "" }[kind];
    },
    draw({ job, steps, recent, evaluations }) {
      jobHead(head, job, tools, live);
      if (job.status !== shownStatus) {
        shownStatus = job.status;
        controls(tools, job, () => undefined);
      }
      const records = sorted(steps);
      const held = sorted(evaluations);
      keyFigures(figures, job, records, held);
      charts.set(records, held);
      table.set(sorted(recent));
    },
  };
}

const byStep = (records) => new Map(records.map((record) => [record.step, record]));
const sorted = (records) => [...records.values()].sort((one, other) => one.step - other.step);

function onceAFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}
