// Cells of a batch: outcome by colour and sign, or advantage, or what was earned.

import { announce, fill, h } from "../dom.js";
import { share, signed } from "../format.js";
import { paint } from "./advantage.js";

const SIGNS = { correct: "✓", wrong: "×", malformed: "?", truncated: "…" };
// A wider group of one question goes on in the next row.
const MOST_COLUMNS = 8;
const VIEWS = { outcome: "Outcome", advantage: "Advantage", reward_decayed: "Decayed reward" };

/** {element, set(rows, record), pages(next)} */
export function attemptGrid(spec) {
  const panels = h("div", { class: "panels" });
  const told = h("p", { class: "told", "aria-hidden": "true" }, "Point at an attempt; open it to read the dialogue.");
  const more = h("div", { class: "pager" });
  let view = "outcome";
  let shown = [[], null];
  const radios = Object.entries(VIEWS).map(([name, label]) => {
    const input = h("input", { type: "radio", name: "view", value: name, checked: name === view, onchange: () => ((view = name), draw()) });
    return h("label", { class: "segment" }, input, h("span", {}, label));
  });
  const element = h("section", { class: "card", "aria-label": "Attempts" }, h("div", { class: "grid-head" }, h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Colour by"), radios), legend()), panels, told, more);

  function draw() {
    const [rows, record] = shown;
    const text = JSON.stringify([view, rows]);
    if (panels.shown === text) return;
    panels.shown = text;
    const place = document.activeElement?.dataset?.place;
    const { max_attempts: length, group_size: group } = { ...seenIn(rows), ...spec.rollout };
    fill(panels, Array.from({ length }, (_, k) => panel(k, rows, record, view, group)));
    if (place) panels.querySelector(`[data-place="${place}"]`)?.focus();
  }
  panels.addEventListener("pointerover", (event) => point(event.target));
  panels.addEventListener("focusin", (event) => point(event.target));
  panels.addEventListener("keydown", walk);
  function point(target) {
    const cell = target.closest?.("[data-at]");
    if (!cell) return;
    for (const other of panels.querySelectorAll(".same")) other.classList.remove("same");
    for (const other of panels.querySelectorAll(`[data-at="${cell.dataset.at}"]`)) other.classList.add("same");
    told.textContent = story(shown[0][Number(cell.dataset.at)]);
  }
  return {
    element,
    set: (rows, record) => ((shown = [rows, record]), draw()),
    pages: (next) => fill(more, next ? h("button", { type: "button", onclick: next }, "More of this batch") : null),
  };
}

/** Of a job whose settings nobody can read. */
function seenIn(rows) {
  const group = rows.filter((row) => row.question_id === rows[0].question_id);
  return { max_attempts: Math.max(1, ...rows.map((row) => row.attempts.length)), group_size: Math.max(1, group.length) };
}

function panel(k, rows, record, view, groupSize) {
  const stats = record?.attempts[k];
  const note = stats ? `${stats.correct} of ${stats.rows} right` : k ? "after guidance" : "unassisted";
  const cells = rows.map((row, at) => cell(row, at, k, view));
  const groups = cells.flatMap((_, at) => (at % groupSize ? [] : [cells.slice(at, at + groupSize)]));
  const columns = Math.min(groupSize, MOST_COLUMNS);
  const first = cells.find((one) => one.href);
  if (first) first.tabIndex = 0;
  return h(
    "div",
    { class: "panel" },
    h("h2", {}, `Attempt ${k + 1}`, h("span", { class: "muted" }, note), stats && k ? h("span", { class: "tag mu" }, `earns ${share(stats.decay_factor)}`) : null),
    h("div", { class: "cells", role: "group", "aria-label": `Attempt ${k + 1}: ${note}. Arrow keys move, Enter opens the episode.`, style: { "--columns": columns } }, groups.map((group) => h("div", { class: "cell-group" }, group))),
  );
}

function cell(row, at, k, view) {
  const attempt = row.attempts[k];
  const last = k === row.attempts.length;
  const data = { at, place: `${k}-${at}` };
  if (!attempt) {
    const kind = !row.arrived ? "pending" : row.failure && last ? "failed" : "absent";
    return h("span", { class: `cell ${kind}`, dataset: data, title: row.failure && last ? row.failure : undefined });
  }
  const label = `${row.question_id}, sample ${row.sample + 1}: ${attempt.outcome}${attempt.advantage === null ? "" : `, advantage ${signed(attempt.advantage)}`}`;
  const made = h("a", { class: `cell ${attempt.outcome} by-${view}`, href: `/episodes/${row.episode_id}`, tabindex: -1, "aria-label": label, dataset: data }, h("span", { "aria-hidden": "true" }, mark(attempt, view)));
  if (view === "advantage") paint(made, attempt.advantage);
  if (view === "reward_decayed") made.style.setProperty("--earned", attempt.reward_decayed ?? 0);
  return made;
}

function mark(attempt, view) {
  if (view === "outcome") return SIGNS[attempt.outcome];
  if (view === "advantage") return attempt.advantage === null ? "" : attempt.advantage > 0 ? "+" : attempt.advantage < 0 ? "−" : "0";
  return "";
}

function story(row) {
  if (!row) return "";
  const parts = row.attempts.map((one, k) => `${k + 1} ${one.outcome}${one.reward_decayed ? `, earns ${share(one.reward_decayed)}` : ""}${one.advantage === null ? "" : ` (advantage ${signed(one.advantage)})`}`);
  const state = row.failure || (row.arrived ? "" : "not arrived yet");
  return `${row.question_id}, sample ${row.sample + 1}: ${[...parts, state].filter(Boolean).join(" → ")}`;
}

/** Arrow keys walk through the cells that can be opened; only one of a panel is in the tab order. */
function walk(event) {
  const cells = event.target.closest?.(".cells");
  if (!cells || !event.key.startsWith("Arrow")) return;
  const all = [...cells.querySelectorAll("a.cell")];
  const here = all.indexOf(event.target);
  const { left: x, top: y } = event.target.getBoundingClientRect();
  const rowOf = (sign) => all.filter((one) => sign * (one.getBoundingClientRect().top - y) > 4 && Math.abs(one.getBoundingClientRect().left - x) < one.offsetWidth);
  const found = { ArrowRight: () => all[here + 1], ArrowLeft: () => all[here - 1], ArrowDown: () => rowOf(1)[0], ArrowUp: () => rowOf(-1).at(-1) }[event.key]();
  event.preventDefault();
  if (!found) return;
  event.target.tabIndex = -1;
  found.tabIndex = 0;
  found.focus();
  announce(found.getAttribute("aria-label"));
}

function legend() {
  const item = (kind, sign, text) => h("li", {}, h("span", { class: `cell ${kind}`, "aria-hidden": "true" }, sign), text);
  return h("ul", { class: "legend" }, item("correct by-outcome", "✓", "right"), item("wrong by-outcome", "×", "wrong"), item("malformed by-outcome", "?", "not in form"), item("absent", "", "not needed"));
}
