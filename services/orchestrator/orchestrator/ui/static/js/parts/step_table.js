// The last steps as numbers; each opens the batch.

import { fill, h, keyed } from "../dom.js";
import { duration, share } from "../format.js";
import { empty } from "./states.js";

const SHOWN = 12;
const COLUMNS = ["Step", "Unassisted", "Guided", "μ", "Reward raw", "decayed", "Time"];

/** {element, set(records)} */
export function stepTable(jobId) {
  const rows = h("tbody");
  const table = h("table", { class: "table dense" }, h("caption", { class: "unseen" }, "The last steps"), h("thead", {}, h("tr", {}, COLUMNS.map((name, at) => h("th", { scope: "col", class: at ? "numeric" : "" }, name)))), rows);
  const body = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The last steps" }, empty("No step yet", "The first evaluation comes before it."));
  const element = h(
    "section",
    { class: "card flush", "aria-label": "Steps" },
    h("div", { class: "card-head" }, h("h2", {}, "Steps"), h("a", { href: `/jobs/${jobId}/episodes` }, "All episodes")),
    body,
  );
  return {
    element,
    set(records) {
      if (!records.length) return;
      if (!table.isConnected) fill(body, table);
      keyed(rows, records.slice(-SHOWN).reverse(), (record) => record.step, (record) => row(jobId, record));
    },
  };
}

function row(jobId, record) {
  const flags = [record.cold ? "cold" : null, record.zero_gradient && !record.cold ? "no gradient" : null].filter(Boolean);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `/jobs/${jobId}/steps/${record.step}` }, `Step ${record.step}`), flags.map((flag) => h("span", { class: "tag warn" }, flag))),
    [record.unassisted_accuracy, record.guided_accuracy, record.decay_factor, record.mean_reward_raw, record.mean_reward_decayed].map((value) => h("td", { class: "numeric" }, share(value))),
    h("td", { class: "numeric" }, duration(record.seconds)),
  );
}
