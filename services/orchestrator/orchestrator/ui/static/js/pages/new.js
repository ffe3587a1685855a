// A job by a form. The form is drawn from the API's own schema, so that it never lags behind; the server judges.

import { get, post } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { count, dollars } from "../format.js";
import { clearErrors, showErrors } from "../parts/form_errors.js";
import { jobForm } from "../parts/job_form.js";
import { cloned } from "../parts/spec.js";

const DEMO = "/static/demo-job.json";

export async function show({ main, query, signal, title, navigate }) {
  title("New job");
  const from = query.get("from");
  const source = from ? await get(`/v1/jobs/${from}`, {}, signal) : null;
  const start = source ? cloned(source) : await get(DEMO, {}, signal);
  if (query.get("student")) start.student = { ...start.student, model: query.get("student") };
  const form = jobForm(...(await offers(signal)), start);
  const summary = h("div", { class: "error-summary", tabindex: -1, hidden: true });
  const findings = h("div", { class: "findings", role: "status" });
  const check = h("button", { type: "button", onclick: () => send(true) }, "Check");
  const submit = h("button", { type: "submit", class: "primary" }, "Start the job");
  const element = h("form", { class: "job-form", novalidate: true, onsubmit: (event) => (event.preventDefault(), send(false)) }, summary, form.element, findings, h("div", { class: "actions sticky" }, submit, check));
  fill(main, h("div", { class: "page-head" }, h("h1", {}, from ? "Clone a job" : "New job")), h("p", { class: "muted lead" }, from ? "Filled in as that job was; change what shall differ." : "Filled in with the demo: the built-in task and its tutor, a few minutes on two cores."), source?.unreadable_spec ? h("p", { class: "warning" }, source.unreadable_spec.detail) : null, element);

  async function send(rehearse) {
    clearErrors(element, summary);
    fill(findings);
    for (const button of [check, submit]) button.disabled = true;
    try {
      const answer = await post(rehearse ? "/v1/jobs?dry_run=true" : "/v1/jobs", form.value(), rehearse ? {} : { "Idempotency-Key": crypto.randomUUID() });
      if (!rehearse) return await navigate(`/jobs/${answer.id}`);
      fill(findings, found(answer));
      announce("The job is valid");
    } catch (error) {
      showErrors(element, summary, error);
    } finally {
      for (const button of [check, submit]) button.disabled = false;
    }
    return undefined;
  }
}

/** The schemas, and what there is to choose from; a job can be written without the latter. */
async function offers(signal) {
  const offered = (path) => get(path, {}, signal).then(({ data }) => data, () => []);
  const [openapi, tasks, teachers, models] = await Promise.all([get("/openapi.json", {}, signal), offered("/v1/tasks"), offered("/v1/teachers"), offered("/v1/models")]);
  return [openapi.components.schemas, { tasks, teachers, models }];
}

/** What a dry run found out. */
function found(it) {
  const cost = it.teacher_forecast?.usd;
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h(
    "section",
    { class: "card good-card", "aria-label": "Check" },
    h("h2", {}, "This job can run"),
    h("dl", { class: "facts" }, fact("Training questions", count(it.train_questions)), fact("Held-out questions", count(it.test_questions)), fact("Episodes a step", count(it.episodes_per_step)), fact("Longest prompt", `${count(it.longest_prompt_tokens)} of ${count(it.context_length)} tokens`), cost ? fact("Teacher", `${dollars(cost.low)} to ${dollars(cost.high)}`) : null),
    (it.warnings ?? []).map((warning) => h("p", { class: "warning" }, warning.text)),
  );
}
