// Sums over an episode: rewards, tokens, cost, time.

import { h } from "../dom.js";
import { count, dollars, duration, NOTHING, share } from "../format.js";
import { specOf, teacherOf } from "./spec.js";

export function episodeFacts(episode, record, job) {
  const sum = (list, read) => list.reduce((total, it) => total + read(it), 0);
  const credit = episode.credit?.attempts;
  const versions = episode.attempts.flatMap((attempt) => attempt.version_spans.map((span) => span.version));
  const low = Math.min(...versions);
  const high = Math.max(...versions);
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Episode"),
    h(
      "dl",
      { class: "facts" },
      fact("Reward, raw", share(sum(episode.attempts, (it) => it.reward))),
      fact("Reward, decayed", credit ? share(sum(credit, (it) => it.reward_decayed)) : NOTHING),
      fact("μ of the batch", share(record?.decay_factor)),
      fact("Policy", versions.length ? (low === high ? low : `${low} to ${high}`) : NOTHING),
      fact("Student tokens", count(sum(episode.attempts, (it) => it.token_ids.length))),
      fact("Teacher", teacherOf(specOf(job)) ?? NOTHING),
      fact("Cost", dollars(sum(episode.guidances, (it) => it.price_usd))),
      fact("Took", duration(episode.finished_at - episode.started_at)),
    ),
  );
}
