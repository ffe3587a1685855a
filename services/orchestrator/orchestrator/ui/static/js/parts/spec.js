// What a job was asked for. Another version may have stored what this one cannot read: then pages show what they can.

const NOTHING_KNOWN = { student: {}, task: {}, teacher: {}, method: {}, rollout: {}, training: {}, evaluation: {} };

/** Settings that are not known are undefined. */
export const specOf = (job) => job.spec ?? NOTHING_KNOWN;

export const configuration = (job) => (job.spec ? JSON.stringify(job.spec, null, 2) : job.unreadable_spec.stored);

export const teacherOf = ({ teacher }) => teacher.name || teacher.model || teacher.provider;

/** What the form of a clone begins with: where the spec cannot be read, what is stored of it, for the server to judge. */
export function cloned(job) {
  const spec = job.spec ?? sections(parsed(job.unreadable_spec.stored));
  return { ...spec, name: `${job.name}-2`.slice(0, 80) };
}

function sections(stored) {
  const kept = Object.keys(NOTHING_KNOWN).map((name) => [name, stored[name] instanceof Object ? stored[name] : {}]);
  return { ...stored, ...Object.fromEntries(kept) };
}

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
