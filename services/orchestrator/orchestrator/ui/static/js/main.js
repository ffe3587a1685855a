// Reads the address, shows the view that belongs to it, and leaves the one before it.

import { announce, fill, h } from "./dom.js";
import { askForKey } from "./key.js";
import { failure, loading } from "./parts/states.js";
import { startTheme } from "./theme.js";

const VIEWS = [
  [/^\/$/, "jobs", () => import("./pages/jobs.js")],
  [/^\/new$/, "new", () => import("./pages/new.js")],
  [/^\/compare$/, "compare", () => import("./pages/compare.js")],
  [/^\/teachers$/, "teachers", () => import("./pages/teachers.js")],
  [/^\/jobs\/([^/]+)$/, "jobs", () => import("./pages/job.js")],
  [/^\/jobs\/([^/]+)\/episodes$/, "jobs", () => import("./pages/episodes.js")],
  [/^\/jobs\/([^/]+)\/steps\/(\d+)$/, "jobs", () => import("./pages/step.js")],
  [/^\/episodes\/(.+)$/, "jobs", () => import("./pages/episode.js")],
];
const main = document.getElementById("main");
let leave = new AbortController();

/** Go to an address of this site without loading the page anew. */
export function navigate(address, { replace = false, state = {} } = {}) {
  history[replace ? "replaceState" : "pushState"](state, "", address);
  return show();
}

async function show({ focus = true } = {}) {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const found = VIEWS.map(([pattern, ...view]) => [location.pathname.match(pattern), ...view]).find(([match]) => match);
  for (const link of document.querySelectorAll(".top nav a, .top-tools a")) {
    const here = link.dataset.view === found?.[1];
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!found) return fill(main, notFound());
  const [match, , load] = found;
  fill(main, loading());
  scrollTo(0, 0);
  if (focus) main.focus({ preventScroll: true });
  try {
    const page = await load();
    const parameters = match.slice(1).map(decodeURIComponent);
    await page.show({ main, parameters, query: new URLSearchParams(location.search), signal, title, navigate });
  } catch (error) {
    if (!signal.aborted) fill(main, failure(error, () => show()));
  }
  return undefined;
}

function title(text) {
  document.title = `${text} · SocraticPO`;
  announce(text);
}

function notFound() {
  title("Not found");
  return h("div", { class: "state" }, h("h1", {}, "There is nothing here"), h("p", {}, h("a", { href: "/" }, "All jobs")));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.target || link.origin !== location.origin || event.defaultPrevented) return;
  if (link.getAttribute("href").startsWith("#")) return;
  if (!VIEWS.some(([pattern]) => pattern.test(link.pathname))) return;
  event.preventDefault();
  navigate(link.href);
});
addEventListener("popstate", () => show());
startTheme(document.getElementById("theme"));
document.getElementById("key").addEventListener("click", async () => (await askForKey()) && show());
show({ focus: false });
