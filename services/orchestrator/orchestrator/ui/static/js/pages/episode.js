// The tutoring view: one episode as a dialogue.

import { get, inPath } from "../api.js";
import { fill, h } from "../dom.js";
import { clock } from "../format.js";
import { episodeFacts } from "../parts/episode_facts.js";
import { thread } from "../parts/thread.js";
import { tokenDesk } from "../parts/tokens.js";

export async function show({ main, parameters: [id], signal, title }) {
  const episode = await load(id, signal);
  const [job, step] = await Promise.all([get(`/v1/jobs/${episode.job_id}`, {}, signal), stepOf(episode, signal)]);
  title(`${episode.question_id}, sample ${episode.sample + 1}`);
  const desk = tokenDesk(episode, Boolean(step?.record));
  fill(
    main,
    h("div", { class: "episode" }, head(episode, job, step), h("div", { class: "episode-body" }, thread(episode, step?.record, desk), h("aside", { class: "desk", "aria-label": "About this episode" }, desk.element, episodeFacts(episode, step?.record, job)))),
  );
}

/** Without the text of single tokens where the student's files are gone. */
async function load(id, signal) {
  const path = `/v1/episodes/${inPath(id)}`;
  try {
    return await get(path, { tokens: true }, signal);
  } catch (error) {
    if (error.status !== 422) throw error;
    return get(path, {}, signal);
  }
}

async function stepOf(episode, signal) {
  if (episode.purpose !== "train") return null;
  return get(`/v1/jobs/${episode.job_id}/steps/${episode.step}`, {}, signal);
}

function head(episode, job, step) {
  const where = episode.purpose === "train" ? h("a", { href: `/jobs/${job.id}/steps/${episode.step}` }, `Step ${episode.step}`) : h("span", {}, `Evaluation at step ${episode.step}`);
  const slash = () => h("span", { "aria-hidden": "true" }, "/");
  const rounds = episode.attempts.length;
  return h(
    "header",
    {},
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "/" }, "Jobs"), slash(), h("a", { href: `/jobs/${job.id}` }, job.name), slash(), where),
    h("div", { class: "page-head" }, h("div", { class: "title-line" }, h("h1", {}, headline(episode)), h("span", { class: `verdict ${episode.outcome}` }, episode.outcome)), step ? siblings(episode, step) : null),
    h("p", { class: "muted" }, `${episode.question_id} · sample ${episode.sample + 1} · ${rounds} attempt${rounds === 1 ? "" : "s"} · ${clock(episode.started_at)}`),
  );
}

function headline(episode) {
  if (episode.outcome === "failed") return "Could not be completed";
  if (episode.unassisted) return "Right alone";
  const right = episode.attempts.findIndex((attempt) => attempt.reward > 0);
  if (right === 0) return "Right alone";
  return right > 0 ? `Right after ${right === 1 ? "one hint" : `${right} hints`}` : "Not solved";
}

/** The other samples of the same question. */
function siblings(episode, step) {
  const group = step.manifest.entries.filter((entry) => entry.question_id === episode.question_id);
  if (group.length < 2) return null;
  return h(
    "nav",
    { class: "siblings", "aria-label": "Samples of this question" },
    h("span", { class: "muted small" }, "Samples"),
    group.map((entry) => h("a", { href: `/episodes/${entry.episode_id}`, class: "sibling", "aria-current": entry.episode_id === episode.episode_id ? "page" : false, "aria-label": `Sample ${entry.sample + 1}` }, entry.sample + 1)),
  );
}

