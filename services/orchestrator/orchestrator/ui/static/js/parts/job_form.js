// The form of a job, section by section. What most jobs set is in view, the rest a click away.

import { fill, h } from "../dom.js";
import { field } from "./fields.js";

const SECTIONS = {
  "": ["Job", ["name", "seed", "priority"]],
  student: ["Student", ["model"]],
  task: ["Task", []],
  teacher: ["Teacher", ["provider"]],
  method: ["Method", ["guidance", "decay"]],
  rollout: ["Rollouts", ["max_attempts", "prompts_per_step", "group_size", "max_answer_tokens"]],
  training: ["Training", ["steps", "learning_rate", "schedule"]],
  evaluation: ["Evaluation", ["every", "questions"]],
};

/** {element, value()}: `start` is a job specification. Known teachers and models are offered, others may be typed. */
export function jobForm(schemas, { tasks, teachers, models }, start) {
  const resolve = (schema) => (schema.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema);
  const spec = schemas.JobSpec;
  const plain = Object.entries(spec.properties).filter(([name, schema]) => !(name in SECTIONS) && schema.const === undefined);
  const known = { "teacher.name": teachers.map((one) => one.name).filter(Boolean), "student.model": models.map((one) => one.id) };
  const parts = Object.keys(SECTIONS).map((name) => {
    if (name === "") return plainSection("", { properties: Object.fromEntries(plain), required: spec.required }, start, resolve, known);
    if (name === "task") return choiceSection("task", "name", tasks.map((task) => [task.name, task.options, task.summary]), start.task, "options", resolve);
    if (name === "method") return choiceSection("method", "name", methods(spec, resolve), start.method ?? {}, null, resolve);
    return plainSection(name, resolve(spec.properties[name]), start[name] ?? {}, resolve, known);
  });
  return {
    element: h("div", { class: "sections" }, parts.map((part) => part.element)),
    value: () => Object.assign({}, ...parts.map((part) => part.value())),
  };
}

function methods(spec, resolve) {
  return spec.properties.method.oneOf.map(resolve).map((schema) => {
    const { name, ...properties } = schema.properties;
    return [name.const ?? name.default, { ...schema, properties }, schema.description?.split("\n")[0]];
  });
}

function plainSection(name, schema, start, resolve, known) {
  const [title, essential] = SECTIONS[name];
  const fields = Object.entries(schema.properties).map(([key, one]) => [key, makeField(name, key, one, schema, start, resolve, known)]);
  const element = section(name || "job", title, parts(fields, essential));
  return { element, value: () => wrapped(name, collect(fields)) };
}

/** A part whose fields depend on a choice: the task's options, the method's settings. */
function choiceSection(name, key, choices, start, inner, resolve) {
  const [title, essential] = SECTIONS[name];
  const current = choices.some(([value]) => value === start[key]) ? start[key] : choices[0]?.[0];
  const choice = field(`${name}.${key}`, title, { enum: choices.map(([value]) => value) }, current, { required: true });
  const place = h("div", { class: "chosen" });
  let fields = [];
  function draw() {
    const [value, schema, summary] = choices.find(([one]) => one === choice.value()) ?? [];
    const prefix = inner ? `${name}.${inner}` : name;
    const given = value === start[key] ? ((inner ? start[inner] : start) ?? {}) : {};
    fields = Object.entries(schema?.properties ?? {}).map(([one, rule]) => [one, makeField(prefix, one, rule, schema, given, resolve)]);
    fill(place, h("p", { class: "muted small" }, summary), parts(fields, inner ? fields.map(([one]) => one) : essential));
  }
  choice.element.addEventListener("change", draw);
  draw();
  const element = section(name, title, h("div", { class: "fields" }, choice.element), place);
  return { element, value: () => ({ [name]: { [key]: choice.value(), ...(inner ? { [inner]: collect(fields) } : collect(fields)) } }) };
}

function makeField(prefix, key, schema, parent, start, resolve, known = {}) {
  const path = prefix ? `${prefix}.${key}` : key;
  const required = parent.required?.includes(key) ?? false;
  return field(path, words(key), simplified(schema, resolve), start[key] ?? schema.default, { required, known: known[path], resolve });
}

/** `anyOf: [x, null]` is x that may be left empty. */
function simplified(schema, resolve) {
  const options = schema.anyOf?.filter((one) => one.type !== "null");
  const chosen = options?.length === 1 ? { ...resolve(options[0]), description: schema.description } : schema;
  const target = resolve(chosen);
  return { ...target, description: schema.description ?? target.description };
}

function section(path, title, ...body) {
  const id = `s-${path}`;
  return h("section", { class: "card section", role: "group", "aria-labelledby": id, dataset: { path } }, h("h2", { id }, title), h("p", { class: "field-error", role: "alert" }), ...body);
}

function parts(fields, essential) {
  const shown = fields.filter(([key, one]) => essential.includes(key) && !one.nested);
  const others = fields.filter(([key, one]) => !essential.includes(key) || one.nested);
  const grid = (list) => h("div", { class: "fields" }, list.map(([, one]) => one.element));
  return [grid(shown), others.length ? h("details", { class: "more" }, h("summary", {}, `More settings (${others.length})`), grid(others)) : null];
}

/** Only what is given: an empty field leaves the server its default. */
export function collect(fields) {
  return Object.fromEntries(fields.map(([key, one]) => [key, one.value()]).filter(([, value]) => value !== undefined));
}

const wrapped = (name, value) => (name ? { [name]: value } : value);
const words = (key) => key.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());
