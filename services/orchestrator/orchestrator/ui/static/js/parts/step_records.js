// The step records that a job's page needs: all of a short job; of a long one thinned curves, and the last in full.

import { all, get } from "../api.js";

// A record has a hundred numbers: beyond so many steps they would be megabytes that no screen has the pixels for.
export const MANY_STEPS = 1000;
const POINTS = 600;
const RECENT = 12;
const TOTALS = ["teacher_price_usd", "teacher_calls"];

/** {curve, recent}: records in order. Thinned ones have what the curves draw, and `total` up to their step. */
export async function stepRecords(path, job, signal) {
  if (job.progress.step <= MANY_STEPS) {
    const steps = await all(`${path}/steps`, {}, signal);
    return { curve: steps, recent: steps };
  }
  const [metrics, recent] = await Promise.all([
    get(`${path}/metrics`, { points: POINTS }, signal),
    get(`${path}/steps`, { after: job.progress.step - RECENT }, signal),
  ]);
  return { curve: thinned(metrics.series), recent: recent.data };
}

/** Series by dotted name -> records; `attempts.1.rows` counts from one. */
function thinned(series) {
  const records = new Map();
  for (const [name, { steps, values }] of Object.entries(series)) {
    if (name.startsWith("evaluation.")) continue;
    steps.forEach((step, at) => {
      if (!records.has(step)) records.set(step, { step, attempts: [], phase_seconds: {} });
      put(records.get(step), name.split("."), values[at]);
    });
  }
  return [...records.values()].sort((one, other) => one.step - other.step);
}

function put(record, [first, ...rest], value) {
  if (!rest.length) record[first] = value;
  else if (Array.isArray(record[first])) put((record[first][rest[0] - 1] ??= {}), rest.slice(1), value);
  else put((record[first] ??= {}), rest, value);
}

/** What the teacher has cost up to each record: {teacher_price_usd, teacher_calls}. */
export function totals(records) {
  let before = { teacher_price_usd: 0, teacher_calls: 0 };
  return records.map((record) => {
    before = record.total ?? Object.fromEntries(TOTALS.map((name) => [name, before[name] + record[name]]));
    return before;
  });
}
