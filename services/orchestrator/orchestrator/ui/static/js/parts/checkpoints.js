// The checkpoints of a job, read when somebody opens the list: the server looks at the files.

import { get, remove } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { clock, number, share } from "../format.js";
import { confirmed } from "./confirm.js";
import { empty, failure, loading } from "./states.js";

const MEBIBYTE = 2 ** 20;
const COLUMNS = ["Checkpoint", "Unassisted, held out", "Size", "Kept by", "Files", "Written", "", ""];

export function checkpointList(jobId) {
  const body = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Checkpoints" });
  const open = async (event) => {
    if (!event.target.open) return;
    fill(body, loading());
    try {
      const { data } = await get(`/v1/jobs/${jobId}/checkpoints`, { limit: 100 });
      fill(body, data.length ? table(data) : empty("No checkpoint yet"));
    } catch (error) {
      fill(body, failure(error));
    }
  };
  return h("details", { class: "card checkpoints", ontoggle: open }, h("summary", {}, "Checkpoints"), body);
}

function table(checkpoints) {
  const numeric = (at) => (at === 1 || at === 2 ? "numeric" : "");
  const unseen = (at) => h("span", { class: "unseen" }, at === COLUMNS.length - 1 ? "Delete" : "Go on from it");
  const head = h("tr", {}, COLUMNS.map((name, at) => h("th", { scope: "col", class: numeric(at) }, name || unseen(at))));
  return h("table", { class: "table dense" }, h("thead", {}, head), h("tbody", {}, checkpoints.toReversed().map(row)));
}

function row(it) {
  const onwards = it.student_model ? h("a", { href: `/new?student=${encodeURIComponent(it.student_model)}` }, "New job from it") : null;
  const state = it.status === "damaged" ? h("span", { class: "tag warn" }, it.damage || "damaged") : it.status;
  const cells = [
    [share(it.unassisted_accuracy), "numeric"],
    [`${number(it.bytes / MEBIBYTE)} MiB`, "numeric"],
    [it.kept_by.join(", ").replaceAll("keep_", "") || "goes next", ""],
    [state, ""],
    [clock(it.created_at), "nowrap"],
    [onwards, "nowrap"],
    [deletion(it), "nowrap"],
  ];
  return h("tr", {}, h("th", { scope: "row" }, `Step ${it.step}`), cells.map(([value, kind]) => h("td", { class: kind }, value)));
}

/** A button; the trainer deletes a little later, so what was asked for is what is shown. */
function deletion(it) {
  const cell = h("span", {});
  const asked = () => fill(cell, h("span", { class: "tag" }, "being deleted"));
  const problem = h("span", { class: "field-error", role: "alert" });
  const act = async () => {
    if (!(await confirmed(deleting(it)))) return;
    problem.textContent = "";
    try {
      await remove(`/v1/jobs/${it.job_id}/checkpoints/${it.step}`);
      asked();
      announce(`Checkpoint of step ${it.step}: deletion asked for`);
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  if (it.deleting) asked();
  else fill(cell, h("button", { type: "button", class: "quiet", "aria-label": `Delete the checkpoint of step ${it.step}`, onclick: act }, "Delete"), problem);
  return cell;
}

const deleting = (it) => ({
  title: `Delete the checkpoint of step ${it.step}?`,
  text: "It goes for good, with its policy unless that is the newest. Curves and episodes stay.",
  yes: "Delete the checkpoint",
  no: "Keep it",
});
