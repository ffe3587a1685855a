// Several jobs on one chart, and what they do differently.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { share } from "../format.js";
import { chart } from "../parts/chart.js";
import { empty } from "../parts/states.js";
import { statusBadge, TERMINAL } from "../parts/status.js";
import { poll } from "../stream.js";

const COLORS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
const LOOK_MILLISECONDS = 4000;
const CURVES = {
  evaluation_unassisted: ["Unassisted, held out", "evaluation.unassisted_accuracy"],
  evaluation_guided: ["Guided, held out", "evaluation.guided_accuracy"],
  unassisted: ["Unassisted, batch", "unassisted_accuracy"],
  guided: ["Guided, batch", "guided_accuracy"],
  decay_factor: ["Decay factor μ", "decay_factor"],
  reward_decayed: ["Mean reward, decayed", "mean_reward_decayed"],
};

export async function show({ main, query, signal, title, navigate }) {
  title("Compare");
  const known = (await get("/v1/jobs", { limit: 50 }, signal)).data;
  const chosen = query.getAll("job").slice(0, COLORS.length);
  const curve = CURVES[query.get("curve")] ? query.get("curve") : "evaluation_unassisted";
  const go = (jobs, name) => navigate(`/compare?${new URLSearchParams([...jobs.map((id) => ["job", id]), ["curve", name]])}`, { replace: true });
  const picker = h("fieldset", { class: "picker" }, h("legend", {}, "Jobs"), known.map((job) => choice(job, chosen, (on) => go(on ? [...chosen, job.id] : chosen.filter((id) => id !== job.id), curve))));
  const select = h("select", { id: "curve", onchange: (event) => go(chosen, event.target.value) }, Object.entries(CURVES).map(([name, [label]]) => h("option", { value: name, selected: name === curve }, label)));
  const place = h("div", { class: "compare-main" });
  fill(main, h("div", { class: "page-head" }, h("h1", {}, "Compare"), h("div", { class: "page-tools" }, h("label", { for: "curve" }, "Curve"), select)), h("div", { class: "compare" }, h("aside", { class: "card" }, known.length ? picker : empty("No job yet")), place));
  if (!chosen.length) return void fill(place, h("div", { class: "card" }, empty("Choose jobs to compare", "Up to six, on one chart.")));

  const jobs = await Promise.all(chosen.map((id) => get(`/v1/jobs/${id}`, {}, signal)));
  const [label, name] = CURVES[curve];
  const one = chart({ title: label, unit: "against steps", format: share, range: () => [0, 1.02], height: 360, signal, series: jobs.map((job, at) => ({ label: job.name, color: COLORS[at], points: name.startsWith("evaluation.") })) });
  fill(place, one.element, differences(jobs));
  poll(async () => {
    if (one.drawn && jobs.every((job) => TERMINAL.has(job.status))) return;
    const found = await Promise.all(jobs.map((job) => get(`/v1/jobs/${job.id}/metrics`, { names: name }, signal)));
    const all = found.map(({ series }) => series[name] ?? { steps: [], values: [] });
    const xs = [...new Set(all.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
    const columns = all.map(({ steps, values }) => new Map(steps.map((step, at) => [step, values[at]])));
    one.set(xs, columns.map((column) => xs.map((step) => column.get(step) ?? null)));
    one.drawn = true;
  }, LOOK_MILLISECONDS, signal).catch(() => undefined);
}

function choice(job, chosen, set) {
  const at = chosen.indexOf(job.id);
  const box = h("input", { type: "checkbox", onchange: (event) => set(event.target.checked) });
  box.checked = at >= 0;
  box.disabled = at < 0 && chosen.length >= COLORS.length;
  const swatch = at >= 0 ? h("span", { class: "swatch block", style: { "--swatch": `var(${COLORS[at]})` }, "aria-hidden": "true" }) : null;
  return h("label", { class: "choice" }, box, h("span", {}, job.name, h("span", { class: "sub mono" }, job.id)), swatch ?? statusBadge(job.status));
}

/** Only the settings that differ. */
function differences(jobs) {
  const flat = jobs.map((job) => new Map(leaves(job.spec ?? {})));
  const paths = [...new Set(flat.flatMap((one) => [...one.keys()]))].filter((path) => path !== "name" && new Set(flat.map((one) => one.get(path))).size > 1);
  const rows = paths.map((path) => h("tr", {}, h("th", { scope: "row", class: "mono" }, path), flat.map((one) => h("td", { class: "mono" }, one.get(path) ?? "–"))));
  const table = h("table", { class: "table dense" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Setting"), jobs.map((job) => h("th", { scope: "col" }, h("a", { href: `/jobs/${job.id}` }, job.name))))), h("tbody", {}, rows));
  const same = empty("The same settings", "These jobs differ in nothing but their name.");
  return h("section", { class: "card flush", "aria-label": "What differs" }, h("div", { class: "card-head" }, h("h2", {}, "What differs")), paths.length ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Settings that differ" }, table) : same);
}

function leaves(value, path = "") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([name, part]) => leaves(part, path ? `${path}.${name}` : name));
}
