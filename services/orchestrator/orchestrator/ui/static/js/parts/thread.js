// The dialogue: question, attempt, verdict, guidance, attempt.

import { h } from "../dom.js";
import { count, dollars, duration, share, signed } from "../format.js";
import { tokenText } from "./tokens.js";

const SIGNS = { correct: "✓", wrong: "×", malformed: "?", truncated: "…" };
const WORDS = { correct: "Right", wrong: "Wrong", malformed: "Not in the required form", truncated: "Cut off before its end" };

const LEAK_ACTIONS = { redact: "taken out", ask_again: "asked again", reject: "replaced by the retry text" };

/** A list of turns. `record`: the step's, for the decay factors; `desk` hears which token is looked at. */
export function thread(episode, record, desk) {
  const turns = [question(episode)];
  episode.attempts.forEach((attempt, k) => {
    turns.push(answer(episode, attempt, k, record, desk));
    const guidance = episode.guidances[k];
    if (guidance) turns.push(teaching(guidance));
  });
  if (episode.failure) turns.push(failed(episode.failure));
  return h("ol", { class: "thread", "aria-label": "Dialogue" }, turns);
}

function turn(kind, mark, head, ...body) {
  return h("li", { class: `turn ${kind}` }, h("span", { class: "node", "aria-hidden": "true" }, mark), h("div", { class: "turn-box" }, h("div", { class: "turn-head" }, head), ...body));
}

function question(episode) {
  const system = episode.dialogue.find((message) => message.role === "system");
  const asked = episode.question;
  const options = Object.entries(asked?.options ?? {});
  return turn(
    "question",
    "Q",
    [h("h2", {}, "Question"), asked?.domain ? h("span", { class: "muted small" }, asked.domain) : null],
    system ? h("details", {}, h("summary", {}, "System prompt"), h("p", { class: "prose" }, system.content)) : null,
    h("p", { class: "prose" }, asked?.text ?? "The questions of this task are no longer on this machine."),
    options.length ? h("ul", { class: "options" }, options.map(([letter, text]) => option(letter, text, asked.answer))) : null,
  );
}

function option(letter, text, right) {
  return h("li", { class: letter === right ? "right" : "" }, h("span", { class: "letter" }, letter), h("span", {}, text), letter === right ? h("span", { class: "tag good" }, "right answer") : null);
}

function answer(episode, attempt, k, record, desk) {
  const credit = episode.credit?.attempts[k];
  const versions = [...new Set(attempt.version_spans.map((span) => span.version))];
  const policy = versions.length > 1 ? `policies ${versions[0]} to ${versions.at(-1)}` : `policy ${versions[0] ?? "–"}`;
  return turn(
    `attempt ${attempt.outcome}`,
    k + 1,
    [h("h2", {}, `Student, attempt ${k + 1}`), h("span", { class: "tag policy" }, policy)],
    tokenText(episode, k, desk),
    verdict(attempt, k, credit, record),
  );
}

function verdict(attempt, k, credit, record) {
  const mean = credit ? credit.advantages.reduce((sum, one) => sum + one, 0) / (credit.advantages.length || 1) : null;
  const factor = record?.attempts[k]?.decay_factor;
  return h(
    "div",
    { class: `verdict-bar ${attempt.outcome}` },
    h("span", { class: "verdict-word" }, h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[attempt.outcome]), WORDS[attempt.outcome]),
    h(
      "dl",
      {},
      pair("Reward", share(attempt.reward)),
      credit ? pair(k && attempt.reward && factor !== undefined ? `Decayed by μ ${share(factor)}` : "Decayed", share(credit.reward_decayed)) : null,
      credit ? pair("Advantage", signed(mean), "", mean > 0 ? "plus" : mean < 0 ? "minus" : "") : null,
      pair("Tokens", count(attempt.token_ids.length)),
      pair("Took", duration(attempt.latency_seconds)),
    ),
  );
}

function teaching(guidance) {
  const name = guidance.model && guidance.model !== guidance.provider ? `${guidance.provider}, ${guidance.model}` : guidance.provider;
  return turn(
    "guidance",
    "T",
    [h("h2", {}, "Teacher"), h("span", { class: "muted small" }, name)],
    h("p", { class: "prose" }, guidance.text),
    h("dl", { class: "turn-foot" }, pair("Cost", dollars(guidance.price_usd)), pair("Tokens", `${count(guidance.prompt_tokens)} in, ${count(guidance.completion_tokens)} out`), pair("Took", duration(guidance.latency_seconds)), leak(guidance)),
  );
}

/** What the guard found in the teacher's own words, by which rules, and what the student was told instead. */
function leak({ leaked, leak_rules: rules = [], leak_lift: lift = null, leak_action: action = null }) {
  const [text, kind] = leaked === null ? ["not checked", ""] : leaked ? ["gives the answer away", "minus"] : ["none found", "plus"];
  const notes = [rules.length ? `by ${rules.join(", ")}` : null, lift === null ? null : `score ${signed(lift)}`, leaked ? LEAK_ACTIONS[action] : null];
  return pair("Leak", text, notes.filter(Boolean).join("; "), kind);
}

function failed(failure) {
  return turn("failed", "!", [h("h2", {}, "Not completed"), h("span", { class: "tag warn" }, failure.code)], h("p", { class: "prose" }, failure.detail));
}

function pair(name, value, note = "", kind = "") {
  return h("div", {}, h("dt", {}, name), h("dd", { class: kind }, value, note ? h("span", { class: "muted" }, ` ${note}`) : null));
}
