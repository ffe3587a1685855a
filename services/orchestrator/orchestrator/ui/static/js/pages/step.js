// One batch: every attempt as a cell, one panel for each attempt index. The same place is the same episode.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { count, duration, NOTHING, share, signed } from "../format.js";
import { attemptGrid } from "../parts/attempt_grid.js";
import { specOf } from "../parts/spec.js";
import { empty } from "../parts/states.js";
import { poll } from "../stream.js";

const LOOK_MILLISECONDS = 1500;
const CELLS = 512;

export async function show({ main, parameters: [id, step], query, signal, title, navigate }) {
  title(`Step ${step}`);
  const path = `/v1/jobs/${id}`;
  const job = await get(path, {}, signal);
  const after = query.get("after");
  const head = h("div", {});
  const grid = attemptGrid(specOf(job));
  const numbers = h("div", {});
  fill(main, h("div", { class: "step" }, crumbs(job, Number(step)), head, grid.element, numbers));
  let done = false;
  await poll(
    async () => {
      if (done) return;
      const [state, page] = await Promise.all([get(`${path}/steps/${step}`, {}, signal), get(`${path}/steps/${step}/attempts`, { limit: CELLS, after }, signal)]);
      if (signal.aborted) return;
      fill(head, summary(state, page.data));
      grid.set(page.data, state.record);
      grid.pages(page.has_more ? () => navigate(`/jobs/${id}/steps/${step}?after=${encodeURIComponent(page.last_id)}`) : null);
      fill(numbers, state.record ? attemptTable(state.record) : null);
      done = state.record !== null;
    },
    LOOK_MILLISECONDS,
    signal,
  );
}

function crumbs(job, step) {
  const link = (to, text) => h("a", { href: `/jobs/${job.id}/steps/${to}`, class: "button quiet" }, text);
  return h(
    "div",
    {},
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "/" }, "Jobs"), h("span", { "aria-hidden": "true" }, "/"), h("a", { href: `/jobs/${job.id}` }, job.name)),
    h("div", { class: "page-head" }, h("h1", {}, `Step ${step}`), h("nav", { class: "page-tools", "aria-label": "Steps" }, step > 1 ? link(step - 1, "← Before") : null, step < (job.progress.steps ?? job.progress.step) ? link(step + 1, "After →") : null)),
  );
}

/** The batch in a sentence or two. */
function summary({ record, episodes_arrived: arrived, manifest }, rows) {
  if (!record) return h("p", { class: "lead" }, `${count(arrived)} of ${count(manifest.entries.length)} episodes have arrived; not trained yet.`);
  const first = record.attempts[0];
  const later = record.attempts.slice(1).reduce((sum, one) => sum + one.correct, 0);
  const wrong = first.rows - first.correct;
  const flags = record.cold ? "Nothing was earned: the batch is cold. " : "";
  return h(
    "p",
    { class: "lead" },
    flags,
    h("strong", {}, `${count(first.correct)} of ${count(first.rows)}`),
    " right unassisted. ",
    wrong && record.attempts.length > 1 ? ["The teacher helped with ", h("strong", {}, count(wrong)), `; ${count(later)} of them came right, each earning μ = ${share(record.decay_factor)}. `] : null,
    h("span", { class: "muted" }, `Trained in ${duration(record.seconds)}.`),
  );
}

function attemptTable(record) {
  const columns = ["Attempt", "Made", "Right", "Success", "A success earns", "Advantage if right", "if wrong"];
  const rows = record.attempts.map((one) =>
    h("tr", {}, h("th", { scope: "row" }, one.attempt), [count(one.rows), count(one.correct), one.rows ? share(one.correct / one.rows) : NOTHING, share(one.decay_factor), signed(one.mean_advantage_correct), signed(one.mean_advantage_wrong)].map((text) => h("td", { class: "numeric" }, text))),
  );
  if (!rows.length) return empty("No attempt");
  return h("section", { class: "card flush", "aria-label": "By attempt" }, h("div", { class: "card-head" }, h("h2", {}, "By attempt")), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "By attempt" }, h("table", { class: "table dense" }, h("thead", {}, h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: at ? "numeric" : "" }, name)))), h("tbody", {}, rows))));
}
