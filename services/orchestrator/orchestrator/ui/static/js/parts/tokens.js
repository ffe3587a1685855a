// The tokens of an attempt, tinted by what the trainer made of them, and a desk that tells of a single one.

import { announce, fill, h } from "../dom.js";
import { NOTHING, number, signed } from "../format.js";
import { FULL_STRENGTH, paint } from "./advantage.js";

// Longer answers show so many single tokens, and the rest as plain text until it is asked for.
const SPANS = 4000;
const SWAP_HUES = 6;
const VIEWS = { advantage: "Advantage", probability: "Probability", version: "Policy" };

/** One token of attempt k as people look at it. */
function tokensOf(episode, k) {
  const attempt = episode.attempts[k];
  const advantages = episode.credit?.attempts[k]?.advantages;
  const versions = attempt.version_spans.flatMap((span) => Array(span.end - span.start).fill(span.version));
  return attempt.token_ids.map((id, at) => ({
    id,
    text: episode.tokens?.[k][at].text ?? "",
    control: episode.tokens?.[k][at].control ?? false,
    logprob: attempt.logprobs[at],
    version: versions[at],
    advantage: advantages ? (advantages.length === 1 ? advantages[0] : advantages[at]) : null,
  }));
}

/** {element, view, watch(redraw), look(token)}. `trained`: the episode's step is. */
export function tokenDesk(episode, trained) {
  const views = episode.credit ? VIEWS : { probability: VIEWS.probability, version: VIEWS.version };
  const listeners = [];
  const scale = h("div", { class: "scale" });
  const one = h("dl", { class: "facts token-facts" });
  const desk = {
    view: Object.keys(views)[0],
    watch: (redraw) => listeners.push(redraw),
    look: (token) => fill(one, token ? facts(token) : null),
  };
  const radio = ([name, label]) =>
    h("label", { class: "segment" }, h("input", { type: "radio", name: "tint", value: name, checked: name === desk.view, onchange: () => change(name) }), h("span", {}, label));
  function change(name) {
    desk.view = name;
    fill(scale, scaleOf(name));
    for (const redraw of listeners) redraw();
  }
  desk.element = h("section", { class: "card" }, h("h2", {}, "Tokens"), h("fieldset", { class: "segments" }, h("legend", { class: "unseen" }, "Colour tokens by"), Object.entries(views).map(radio)), scale, episode.credit ? null : h("p", { class: "muted small" }, why(episode, trained)), one, h("p", { class: "muted small hint" }, "Point at a token, or use the arrow keys in an answer."));
  change(desk.view);
  desk.look(episode.attempts.length ? tokensOf(episode, 0)[0] : null);
  return desk;
}

function why(episode, trained) {
  if (episode.purpose === "eval") return "Evaluations are not trained on: they have no advantages.";
  return trained ? "This episode was not trained on: it has no advantages." : "Advantages come with the training of the step.";
}

function scaleOf(view) {
  if (view === "version") return h("p", { class: "muted small" }, "A new tint where another policy took over.");
  const [low, high] = view === "advantage" ? [`−${FULL_STRENGTH}`, `+${FULL_STRENGTH}`] : ["certain", "surprising"];
  return [h("div", { class: `ramp ${view}`, "aria-hidden": "true" }), h("div", { class: "ramp-ends small muted" }, h("span", {}, low), view === "advantage" ? h("span", {}, "0") : null, h("span", {}, high))];
}

function facts(token) {
  const pair = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return [
    h("div", { class: "token-name" }, h("dt", { class: "unseen" }, "Token"), h("dd", { class: "mono" }, JSON.stringify(token.text || `#${token.id}`))),
    pair("Advantage", token.advantage === null ? NOTHING : signed(token.advantage)),
    pair("Probability", number(Math.exp(token.logprob))),
    pair("Log-probability", `${number(token.logprob)} nats`),
    pair("Policy", token.version ?? NOTHING),
    pair("Token id", token.id),
  ];
}

/** The answer; arrow keys move from token to token. */
export function tokenText(episode, k, desk) {
  const tokens = tokensOf(episode, k);
  const readable = Boolean(episode.tokens);
  const label = `Answer of attempt ${k + 1}, ${tokens.length} tokens. Arrow keys tell of single tokens.`;
  const place = h("div", { class: "tokens", tabindex: 0, role: "group", "aria-label": label });
  const spans = readable ? tokens.slice(0, SPANS).map(span) : [h("span", { class: "token" }, episode.attempts[k].text)];
  fill(place, withSwaps(spans, tokens), tokens.length > SPANS ? rest(tokens) : null);
  const draw = () => spans.forEach((element, at) => tint(element, tokens[at] ?? tokens[0], desk.view, tokens));
  desk.watch(draw);
  draw();
  let here = -1;
  const go = (at) => {
    spans[here]?.classList.remove("here");
    here = at;
    spans[here]?.classList.add("here");
    desk.look(readable ? tokens[at] ?? null : null);
  };
  place.addEventListener("pointerover", (event) => event.target.dataset?.token && go(Number(event.target.dataset.token)));
  place.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move || !readable) return;
    event.preventDefault();
    go(Math.min(spans.length - 1, Math.max(0, here + move)));
    announce(`${tokens[here].text}: advantage ${signed(tokens[here].advantage)}`);
  });
  return place;
}

const span = (token, at) => h("span", { class: `token ${token.control ? "control" : ""}`, dataset: { token: at } }, token.text);
const rest = (tokens) => h("span", { class: "token" }, tokens.slice(SPANS).map((token) => token.text).join(""));

/** A mark wherever another policy went on with the answer. */
function withSwaps(spans, tokens) {
  return spans.flatMap((element, at) => {
    const [before, now] = [tokens[at - 1]?.version, tokens[at]?.version];
    return at && before !== now ? [h("span", { class: "swap" }, `policy ${before} → ${now}`), element] : [element];
  });
}

function tint(element, token, view, tokens) {
  paint(element, view === "advantage" ? token.advantage : null);
  element.classList.toggle("surprise", view === "probability");
  element.classList.toggle("versioned", view === "version");
  if (view === "probability") element.style.setProperty("--strength", Math.min(1, -token.logprob / 3).toFixed(3));
  if (view === "version") element.style.setProperty("--hue", `${(((token.version - tokens[0].version) % SWAP_HUES) * 360) / SWAP_HUES + 220}`);
}
