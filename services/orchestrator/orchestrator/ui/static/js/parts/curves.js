// The curves of a job: what the student can do, what its successes are worth, what it costs.

import { h } from "../dom.js";
import { count, dollars, number, share } from "../format.js";
import { chart } from "./chart.js";
import { totals } from "./step_records.js";

const UNIT_RANGE = () => [0, 1.02];
const ATTEMPT_COLORS = ["--student", "--teacher", "--mu", "--good", "--bad", "--muted"];
const PHASES = [["wait", "--phase-1"], ["update", "--phase-2"], ["checkpoint", "--phase-3"], ["acknowledge", "--muted"], ["publish", "--phase-4"]];
const MOST_ATTEMPTS_SHOWN = 4;

/** {element, set(steps, evaluations)}: records in order. */
export function curves(spec, signal) {
  const attempts = Math.min(spec.rollout.max_attempts ?? MOST_ATTEMPTS_SHOWN, MOST_ATTEMPTS_SHOWN);
  const free = ["tutor", "retry"].includes(spec.teacher.provider);
  const all = {
    accuracy: chart({ title: "Accuracy", unit: "share of episodes", format: share, range: UNIT_RANGE, height: 250, signal, series: [
      { label: "Unassisted, held out", color: "--student", points: true, width: 2.5 },
      { label: "Guided, held out", color: "--teacher", points: true, width: 2.5 },
      { label: "Unassisted, batch", color: "--student", width: 1 },
      { label: "Guided, batch", color: "--teacher", width: 1 },
    ] }),
    decay: chart({ title: "Decay factor μ and rewards", unit: "reward per attempt", format: share, range: UNIT_RANGE, height: 250, signal, series: [
      { label: "μ", color: "--mu", width: 2.5 },
      { label: "Mean reward, raw", color: "--muted", dash: [4, 3], width: 1.5 },
      { label: "Mean reward, decayed", color: "--student", width: 1.5 },
    ] }),
    rewards: chart({ title: "Reward by attempt", unit: "mean decayed reward", format: share, range: UNIT_RANGE, signal, series: Array.from({ length: attempts }, (_, k) => ({ label: `Attempt ${k + 1}`, color: ATTEMPT_COLORS[k] })) }),
    teacher: free
      ? chart({ title: "Teacher calls", unit: "per step", format: count, signal, series: [{ label: "Calls", color: "--teacher" }] })
      : chart({ title: "Spent on the teacher", unit: "US dollars, training so far", format: dollars, signal, series: [{ label: "Spent", color: "--teacher" }] }),
    throughput: chart({ title: "Throughput", unit: "student tokens/s", format: number, signal, series: [{ label: "Tokens/s", color: "--student" }] }),
    phases: chart({ title: "Phases of a step", unit: "seconds", format: number, signal, series: PHASES.map(([label, color]) => ({ label, color, stacked: true })) }),
  };
  return {
    element: h("section", { class: "charts", "aria-label": "Curves" }, Object.values(all).map((one) => one.element)),
    set(steps, evaluations) {
      setAccuracy(all.accuracy, steps, evaluations);
      const xs = steps.map((record) => record.step);
      const column = (read) => steps.map((record) => finite(read(record)));
      all.decay.set(xs, [column((it) => it.decay_factor), column((it) => it.mean_reward_raw), column((it) => it.mean_reward_decayed)]);
      all.rewards.set(xs, Array.from({ length: attempts }, (_, k) => column((it) => meanReward(it.attempts[k]))));
      all.throughput.set(xs, [column((it) => it.tokens_per_second)]);
      all.phases.set(xs, PHASES.map(([name]) => column((it) => it.phase_seconds[name] ?? 0)));
      all.teacher.set(xs, [free ? column((it) => it.teacher_calls) : totals(steps).map((it) => finite(it.teacher_price_usd))]);
    },
  };
}

/** Batches at every step, evaluations where there were some: one x axis for both. */
function setAccuracy(one, steps, evaluations) {
  const batch = new Map(steps.map((record) => [record.step, record]));
  const held = new Map(evaluations.map((record) => [record.step, record]));
  const xs = [...new Set([...batch.keys(), ...held.keys()])].sort((a, b) => a - b);
  const read = (records, name) => xs.map((step) => records.get(step)?.[name] ?? null);
  one.set(xs, [read(held, "unassisted_accuracy"), read(held, "guided_accuracy"), read(batch, "unassisted_accuracy"), read(batch, "guided_accuracy")]);
}

const meanReward = (attempt) => (attempt?.rows ? (attempt.correct * attempt.decay_factor) / attempt.rows : null);

/** JSON has no NaN: a diverged run tells it as text. */
const finite = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
