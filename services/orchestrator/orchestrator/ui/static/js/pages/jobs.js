// All jobs, newest first, with their state as it changes.

import { get } from "../api.js";
import { fill, h, keyed } from "../dom.js";
import { clock, count, share } from "../format.js";
import { empty, failure } from "../parts/states.js";
import { doing, progressBar, statusBadge, timeLeft } from "../parts/status.js";
import { poll } from "../stream.js";

const LOOK_MILLISECONDS = 1500;
const PAGE = 20;
const COLUMNS = ["", "Job", "Status", "Progress", "Unassisted", "Guided", "Created"];

export async function show({ main, query, signal, title, navigate }) {
  title("Jobs");
  const chosen = new Set();
  const after = query.get("after");
  const rows = h("tbody");
  const compare = h("button", { type: "button", class: "quiet", disabled: true, onclick: () => navigate(compareAddress(chosen)) }, "Compare");
  const table = h("table", { class: "table jobs" }, h("caption", { class: "unseen" }, "Jobs, newest first"), h("thead", {}, h("tr", {}, COLUMNS.map(heading))), rows);
  const more = h("div", { class: "pager" });
  const body = h("div", { class: "card flush" }, table);
  fill(main, h("div", { class: "page-head" }, h("h1", {}, "Jobs"), h("div", { class: "page-tools" }, compare)), body, more);

  function choose(job, on) {
    chosen[on ? "add" : "delete"](job.id);
    compare.disabled = chosen.size < 2;
    compare.textContent = chosen.size ? `Compare ${chosen.size}` : "Compare";
  }

  await poll(
    async () => {
      try {
        const page = await get("/v1/jobs", { limit: PAGE, after }, signal);
        if (signal.aborted) return;
        if (!page.data.length) return void fill(body, firstJob());
        if (!table.isConnected) fill(body, table);
        keyed(rows, page.data, (job) => job.id, (job) => row(job, chosen, choose));
        fill(more, after ? h("a", { class: "button", href: "/" }, "Newest") : null, page.has_more ? h("a", { class: "button", href: `/?after=${page.last_id}` }, "Older") : null);
      } catch (error) {
        if (!signal.aborted) fill(body, failure(error));
      }
    },
    LOOK_MILLISECONDS,
    signal,
  );
}

function heading(text) {
  const numeric = text === "Unassisted" || text === "Guided";
  return h("th", { scope: "col", class: numeric ? "numeric" : "" }, text || h("span", { class: "unseen" }, "Compare"));
}

function row(job, chosen, choose) {
  const { progress } = job;
  const box = h("input", { type: "checkbox", "aria-label": `Compare ${job.name}`, onchange: (event) => choose(job, event.target.checked) });
  box.checked = chosen.has(job.id);
  return h(
    "tr",
    {},
    h("td", { class: "check" }, box),
    h("th", { scope: "row" }, h("a", { href: `/jobs/${job.id}`, class: "row-link" }, job.name), h("div", { class: "sub mono" }, job.id)),
    h("td", { dataset: { label: "Status" } }, statusBadge(job.status)),
    h("td", { dataset: { label: "Progress" }, class: "wide" }, progressBar(job), h("div", { class: "sub" }, `${progress.step} of ${count(progress.steps)} steps`, timeLeft(job) ? ` · ${timeLeft(job)}` : "", h("div", { class: "clip" }, doing(job)))),
    h("td", { dataset: { label: "Unassisted" }, class: "numeric strong" }, share(progress.evaluation_unassisted_accuracy)),
    h("td", { dataset: { label: "Guided" }, class: "numeric" }, share(progress.evaluation_guided_accuracy)),
    h("td", { dataset: { label: "Created" }, class: "nowrap" }, clock(job.created_at)),
  );
}

const compareAddress = (chosen) => `/compare?${new URLSearchParams([...chosen].map((id) => ["job", id]))}`;

function firstJob() {
  return empty("No job yet", "The demo trains in a few minutes on two cores. ", h("a", { href: "/new" }, "Set it up"));
}
