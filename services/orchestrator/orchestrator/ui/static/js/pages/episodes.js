// The episodes of a job, a page at a time: whatever their number, the page stays as small as this one.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { clock, duration } from "../format.js";
import { empty } from "../parts/states.js";

const PAGE = 50;
const OUTCOMES = ["correct", "wrong", "malformed", "truncated", "failed"];

export async function show({ main, parameters: [id], query, signal, title, navigate }) {
  title("Episodes");
  const filters = { purpose: query.get("purpose") || "train", outcome: query.get("outcome"), step: query.get("step"), attempts: query.get("attempts") };
  const address = (changes) => `/jobs/${id}/episodes?${new URLSearchParams(Object.entries({ ...filters, ...changes }).filter(([, value]) => value))}`;
  // A job is told with the progress of all its steps: a turned page knows its name already.
  const named = history.state?.jobName;
  const [job, page] = await Promise.all([named ? { name: named } : get(`/v1/jobs/${id}`, {}, signal), get(`/v1/jobs/${id}/episodes`, { ...filters, after: query.get("after"), limit: PAGE }, signal)]);
  const next = () => navigate(address({ after: page.last_id }), { state: { paged: true, jobName: job.name } });
  fill(
    main,
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "/" }, "Jobs"), h("span", { "aria-hidden": "true" }, "/"), h("a", { href: `/jobs/${id}` }, job.name)),
    h("div", { class: "page-head" }, h("h1", {}, "Episodes")),
    filterBar(filters, (changes) => navigate(address(changes))),
    h("section", { class: "card flush", "aria-label": "Episodes" }, page.data.length ? table(page.data) : empty("No such episode", "None has arrived yet, or the filters hide them all.")),
    h(
      "nav",
      { class: "pager", "aria-label": "Pages" },
      query.get("after") ? h("a", { class: "button", href: address({}) }, "First page") : null,
      history.state?.paged ? h("button", { type: "button", onclick: () => history.back() }, "Previous") : null,
      page.has_more ? h("button", { type: "button", onclick: next }, "Next") : null,
    ),
  );
}

function filterBar(filters, change) {
  const select = (name, label, options) =>
    h("label", { class: "filter" }, label, h("select", { name, onchange: (event) => change({ [name]: event.target.value }) }, options.map(([value, text]) => h("option", { value, selected: (filters[name] || "") === value }, text))));
  const step = h("input", { name: "step", inputmode: "numeric", size: 5, value: filters.step ?? "", placeholder: "all", onchange: (event) => change({ step: event.target.value.replace(/\D/g, "") }) });
  return h(
    "form",
    { class: "filters", "aria-label": "Filters", onsubmit: (event) => event.preventDefault() },
    select("purpose", "Kind", [["train", "Training"], ["eval", "Evaluation"]]),
    select("outcome", "Outcome", [["", "all"], ...OUTCOMES.map((name) => [name, name])]),
    h("label", { class: "filter" }, "Step", step),
    select("attempts", "Attempts", [["", "all"], ...["1", "2", "3", "4"].map((many) => [many, many])]),
  );
}

function table(episodes) {
  const head = ["Episode", "Step", "Outcome", "Attempts", "Arrived", "Took"].map((name) => h("th", { scope: "col", class: ["Step", "Attempts", "Took"].includes(name) ? "numeric" : "" }, name));
  return h("table", { class: "table dense episodes" }, h("caption", { class: "unseen" }, "Episodes in order of arrival"), h("thead", {}, h("tr", {}, head)), h("tbody", {}, episodes.map(row)));
}

function row(it) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `/episodes/${it.episode_id}` }, it.question_id), h("span", { class: "muted" }, ` · sample ${it.sample + 1}`)),
    h("td", { class: "numeric", dataset: { label: "Step" } }, it.step),
    h("td", { dataset: { label: "Outcome" } }, h("span", { class: `verdict ${it.outcome}` }, it.outcome), it.failure ? h("span", { class: "sub clip" }, it.failure) : null),
    h("td", { class: "numeric", dataset: { label: "Attempts" } }, it.attempts),
    h("td", { class: "nowrap", dataset: { label: "Arrived" } }, clock(it.finished_at)),
    h("td", { class: "numeric", dataset: { label: "Took" } }, duration(it.finished_at - it.started_at)),
  );
}
