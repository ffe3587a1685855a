// Who can teach, with which limits, and what was spent.

import { get } from "../api.js";
import { fill, h, keyed } from "../dom.js";
import { count, dollars, NOTHING } from "../format.js";
import { empty, failure } from "../parts/states.js";
import { poll } from "../stream.js";

const LOOK_MILLISECONDS = 3000;

export async function show({ main, signal, title }) {
  title("Teachers");
  const list = h("div", { class: "teachers" });
  const body = h("div", {}, list);
  fill(main, h("div", { class: "page-head" }, h("h1", {}, "Teachers")), h("p", { class: "muted lead" }, "Who gives guidance after a wrong answer. Named teachers come from the gateway's teachers file; limits and spending hold for all jobs together."), body);
  await poll(
    async () => {
      try {
        const { data } = await get("/v1/teachers", {}, signal);
        if (signal.aborted) return;
        if (!data.length) return void fill(body, empty("The gateway names no teacher"));
        if (!list.isConnected) fill(body, list);
        keyed(list, data, (teacher) => teacher.name || teacher.provider, card);
      } catch (error) {
        if (!signal.aborted) fill(body, failure(error));
      }
    },
    LOOK_MILLISECONDS,
    signal,
  );
}

function card(teacher) {
  const name = teacher.name || teacher.provider;
  const { limits, budget, spent, traffic } = teacher;
  return h(
    "article",
    { class: "card teacher-card", "aria-label": name },
    h("div", { class: "title-line" }, h("h2", {}, name), h("span", { class: `badge ${teacher.available ? "status-succeeded" : "status-paused"}` }, h("span", { class: "dot", "aria-hidden": "true" }), teacher.available ? "available" : "not set up")),
    h("p", { class: "muted" }, teacher.detail),
    h(
      "dl",
      { class: "facts" },
      fact("Spent", spent ? dollars(spent.usd) : NOTHING),
      fact("Requests", spent ? count(spent.requests) : NOTHING),
      fact("Tokens", spent ? count(spent.tokens) : NOTHING),
      limits ? fact("Requests a minute", limit(limits.requests_per_minute)) : null,
      limits ? fact("Tokens a minute", limit(limits.tokens_per_minute)) : null,
      limits ? fact("At once", limit(limits.max_in_flight)) : null,
      traffic ? fact("In flight", count(traffic.in_flight)) : null,
      traffic ? fact("Waiting", count(traffic.waiting)) : null,
    ),
    budget?.usd ? meter(spent?.usd ?? 0, budget.usd) : null,
    teacher.ladder.length ? h("p", { class: "small muted" }, "Falls back to ", teacher.ladder.join(", then ")) : null,
  );
}

function meter(spent, cap) {
  return h("div", { class: "budget" }, h("meter", { min: 0, max: cap, high: 0.9 * cap, value: spent, "aria-label": "Budget used" }), h("span", { class: "small muted" }, `${dollars(spent)} of ${dollars(cap)}`));
}

const limit = (value) => (value === null || value === undefined ? "no limit" : count(value));
const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
