// Numbers for people: a fixed number of digits, units shown, an en dash where nothing is known yet.

export const NOTHING = "–";
const has = (value) => value !== null && value !== undefined && !Number.isNaN(Number(value));

/** 0.8125 -> "0.81" */
export const share = (value) => (has(value) ? Number(value).toFixed(2) : NOTHING);

/** 0.4 -> "+0.40", -1 -> "−1.00" */
export function signed(value) {
  if (!has(value)) return NOTHING;
  const text = Math.abs(value).toFixed(2);
  return Number(text) === 0 ? "0.00" : (value > 0 ? "+" : "−") + text;
}

/** Three significant digits, thousands separated: 1234.5 -> "1,235", 0.01234 -> "0.0123" */
export function number(value) {
  if (!has(value)) return NOTHING;
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size !== 0 && size < 1e-3) return sign + size.toExponential(1).replace("e-", "e−");
  return sign + size.toLocaleString("en", size >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
}

export const count = (value) => (has(value) ? Number(value).toLocaleString("en") : NOTHING);

export function dollars(value) {
  if (!has(value)) return NOTHING;
  return value !== 0 && Math.abs(value) < 0.01 ? `$${Number(value).toPrecision(2)}` : `$${Number(value).toFixed(2)}`;
}

/** Seconds -> "0.32 s", "1 m 38 s", "2 h 05 m" */
export function duration(seconds) {
  if (!has(seconds)) return NOTHING;
  if (seconds < 10) return `${Number(seconds).toFixed(2)} s`;
  const whole = Math.round(seconds);
  const pad = (part) => String(part).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} m`;
}

/** Unix seconds -> local time; the date only where it is not today. */
export function clock(at) {
  if (!has(at)) return NOTHING;
  const time = new Date(at * 1000);
  const text = time.toLocaleTimeString("en-GB");
  if (time.toDateString() === new Date().toDateString()) return text;
  return `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${text}`;
}

export const plural = (many, word) => `${count(many)} ${word}${many === 1 ? "" : "s"}`;
