// What happened, newest first, in a sentence each. The list stays bounded; older ones are a click away.

import { get } from "../api.js";
import { fill, h } from "../dom.js";
import { clock, duration, number, plural, share } from "../format.js";

const SHOWN = 100;
const BAD = new Set(["policy.publish_failed", "episode.failed", "episode.rejected", "batch.cold", "batch.zero_gradient", "checkpoint.damaged", "checkpoint.delete_failed", "policy.rolled_back", "replica.left"]);

/** {element, add(event), older(page)} */
export function eventList(jobId) {
  const list = h("ol", { class: "events" });
  const more = h("div", { class: "pager" });
  const element = h("section", { class: "card flush", "aria-label": "Events" }, h("div", { class: "card-head" }, h("h2", {}, "Events")), h("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Events, newest first" }, list, more));
  return {
    element,
    add(event) {
      list.prepend(item(event));
      while (list.children.length > SHOWN) list.lastElementChild.remove();
    },
    older(page) {
      list.append(...page.data.map(item));
      while (list.children.length > SHOWN) list.firstElementChild.remove();
      const load = async () => this.older(await get(`/v1/jobs/${jobId}/events`, { order: "desc", limit: SHOWN, after: page.last_id }));
      fill(more, page.has_more ? h("button", { type: "button", class: "quiet", onclick: load }, "Older events") : null);
    },
  };
}

function item(event) {
  const bad = BAD.has(event.type) || event.status === "failed";
  return h("li", { class: bad ? "bad" : "", dataset: { type: event.type } }, h("time", { class: "mono" }, clock(event.at)), h("span", { class: "event-text" }, sentence(event)));
}

const SENTENCES = {
  "job.created": (it) => `Job ${it.name} accepted`,
  "job.status": (it) => `${capital(it.status)}${it.reason ? `: ${it.reason}` : ""}`,
  "manifest.opened": (it) => `${it.purpose === "train" ? `Batch ${it.step}` : `Evaluation at step ${it.step}`} opened: ${plural(it.episodes, "episode")} on policy ${it.policy_version}`,
  "step.trained": (it) => `Step ${it.record.step} trained: unassisted ${share(it.record.unassisted_accuracy)}, μ ${share(it.record.decay_factor)}, ${duration(it.record.seconds)}`,
  "batch.cold": (it) => `Batch ${it.step} is cold: nothing was earned (${plural(it.cold_batches, "cold batch")})`,
  "batch.zero_gradient": (it) => `Batch ${it.step} has no gradient`,
  "policy.published": (it) => `Policy ${it.policy_version} proved on the engine: canary gap ${number(it.canary_gap)} nats, ${duration(it.seconds)}`,
  "policy.restored": (it) => `Policy ${it.policy_version} given to ${it.replica || "the engine"} again`,
  "policy.publish_failed": (it) => `Policy ${it.policy_version} could not be published: ${it.detail}`,
  "evaluation.finished": (it) => `Held out at step ${it.record.step}: unassisted ${share(it.record.unassisted_accuracy)}, guided ${share(it.record.guided_accuracy)}`,
  "episode.failed": (it) => `Episode ${it.episode_id} failed: ${it.detail}`,
  "episode.rejected": (it) => `An unusable episode was put aside: ${it.detail}`,
  "chunk.redispatched": (it) => `${plural(it.missing, "episode")} of batch ${it.step} handed out again`,
  "trainer.resumed": (it) => `Trainer resumed at step ${it.step}`,
  "policy.rolled_back": (it) => `Policy ${it.abandoned_version} given up; the engines serve ${it.policy_version} again`,
  "replica.left": (it) => `Engine ${it.replica} is out of rotation: ${it.reason} (${plural(it.in_rotation, "engine")} left)`,
  "checkpoint.damaged": (it) => `Checkpoint of step ${it.step} is damaged; training goes on from step ${it.used}: ${it.detail}`,
  "checkpoint.deleted": (it) => `Checkpoint of step ${it.step} deleted, as a user wanted`,
  "checkpoint.delete_failed": (it) => `Checkpoint of step ${it.step} could not be deleted: ${it.detail}`,
  "checkpoint.committed": (it) => `Checkpoint of step ${it.step} committed`,
};
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const sentence = (event) => SENTENCES[event.type]?.(event) ?? event.type;
