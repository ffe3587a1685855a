// One chart: uPlot drawn in the theme's colours, with a legend of current values and the same in words.

import { fill, h } from "../dom.js";
import { NOTHING, number } from "../format.js";

const HEIGHT = 190;
const SYNC = "steps";

/**
 * series: [{label, color: "--name", dash, width, points, stacked}]. `format` writes a value, `range` fixes the axis.
 * Returns {element, set(xs, columns)}; columns may hold nulls. Charts of a page share the cursor.
 */
export function chart({ title, unit, series, format = number, range, xLabel = "step", height = HEIGHT, signal }) {
  const values = series.map(() => h("span", { class: "legend-value" }, NOTHING));
  const legend = h("ul", { class: "legend" }, series.map((one, at) => legendItem(one, values[at])));
  const place = h("div", { class: "plot", role: "img", "aria-label": `${title}: nothing yet` });
  const where = h("span", { class: "legend-x" });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, h("span", { class: "chart-title" }, title), unit ? h("span", { class: "unit" }, unit) : null, where), legend, place);
  let plot;
  let data = [[], ...series.map(() => [])];

  function speak(at) {
    values.forEach((value, index) => (value.textContent = at === undefined ? NOTHING : format(data[index + 1][at])));
    where.textContent = at === undefined ? "" : `${xLabel} ${data[0][at]}`;
  }
  function latest(index) {
    const column = data[index + 1];
    return column.findLast((value) => value !== null && value !== undefined);
  }
  function rest() {
    values.forEach((value, index) => (value.textContent = format(latest(index))));
    where.textContent = "";
    const words = series.map((one, index) => `${one.label} ${format(latest(index))}`).join(", ");
    place.setAttribute("aria-label", data[0].length ? `${title}, latest: ${words}` : `${title}: nothing yet`);
  }
  function draw() {
    plot?.destroy();
    fill(place);
    if (!data[0].length) return void fill(place, h("p", { class: "plot-empty" }, "Nothing yet"));
    const stacked = series.some((one) => one.stacked);
    plot = new globalThis.uPlot(options(place, series, { range, height, format, stacked }, (at) => (at === null || at === undefined ? rest() : speak(at))), drawn(data, stacked), place);
  }
  function set(xs, columns) {
    const first = !data[0].length || !plot;
    data = [xs, ...columns];
    rest();
    if (first || !xs.length) draw();
    else plot.setData(drawn(data, series.some((one) => one.stacked)));
  }
  const observer = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height }));
  observer.observe(place);
  document.addEventListener("themechange", draw, { signal });
  signal.addEventListener("abort", () => (observer.disconnect(), plot?.destroy()), { once: true });
  draw();
  return { element, set };
}

function legendItem(one, value) {
  const swatch = h("span", { class: `swatch ${one.dash ? "dashed" : ""} ${one.stacked ? "block" : ""}`, style: { "--swatch": `var(${one.color})` }, "aria-hidden": "true" });
  return h("li", {}, swatch, h("span", { class: "legend-label" }, one.label), value);
}

/** Stacked columns are drawn as sums, the highest first so that the lower ones stay visible. */
function drawn(data, stacked) {
  if (!stacked) return data;
  let below = data[0].map(() => 0);
  const sums = data.slice(1).map((column) => (below = column.map((value, at) => (value || 0) + below[at])));
  return [data[0], ...sums.reverse()];
}

function options(place, series, { range, height, format, stacked }, onCursor) {
  const color = (name) => getComputedStyle(place).getPropertyValue(name).trim();
  const bars = globalThis.uPlot.paths.bars({ size: [0.8, 40, 1] });
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  const lines = series.map((one) => ({
    stroke: color(one.color),
    width: one.width ?? 2,
    dash: one.dash,
    spanGaps: true,
    points: { show: one.points ?? false, size: 7, fill: color(one.color) },
    ...(one.stacked ? { paths: bars, fill: color(one.color), width: 0, points: { show: false } } : {}),
  }));
  return {
    width: place.clientWidth || 320,
    height,
    legend: { show: false },
    cursor: { sync: { key: SYNC }, y: false, drag: { setScale: false }, points: { size: 6 } },
    scales: { x: { time: false, range: (_, low, high) => padded(low, high, stacked) }, y: { range: range || ((_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1]) } },
    axes: [{ ...axis, space: 60, size: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000] }, { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
    series: [{}, ...(stacked ? lines.reverse() : lines)],
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx)] },
  };
}

function padded(low, high, stacked) {
  const room = stacked ? 0.6 : 0;
  return low === high ? [low - 1, high + 1] : [low - room, high + room];
}
