// One input for one setting: label, input, the setting's own words, and a place for what the server says of it.

import { h } from "../dom.js";

/** {element, value(), nested}: value is undefined where nothing was given. `resolve` follows references. */
export function field(path, label, schema, start, { required = false, known = [], resolve = (one) => one } = {}) {
  if (schema.properties) return group(path, label, schema, start ?? {}, resolve);
  const id = `f-${path.replaceAll(".", "-")}`;
  const described = { id, "aria-describedby": `${id}-help ${id}-error`, "aria-required": required ? "true" : false };
  const make = schema.enum ? choice : schema.type === "boolean" ? box : text;
  const { input, value } = make(described, schema, start, { required, known });
  const help = h("p", { class: "help", id: `${id}-help` }, sentence(schema.description));
  const error = h("p", { class: "field-error", id: `${id}-error` });
  const list = known.length ? h("datalist", { id: `${id}-list` }, known.map((one) => h("option", { value: one }))) : null;
  const name = h("label", { for: id }, label, required ? h("span", { class: "required", "aria-hidden": "true" }, " *") : null);
  const body = schema.type === "boolean" ? [h("div", { class: "checkbox" }, input, name)] : [name, input, list];
  return { element: h("div", { class: "field", dataset: { path } }, body, error, help), value, nested: false };
}

function choice(attributes, schema, start, { required }) {
  const options = required || schema.default !== undefined || start !== undefined ? schema.enum : ["", ...schema.enum];
  const input = h("select", attributes, options.map((one) => h("option", { value: one, selected: one === start }, one || "–")));
  return { input, value: () => input.value || undefined };
}

function box(attributes, schema, start) {
  const input = h("input", { ...attributes, type: "checkbox" });
  input.checked = Boolean(start);
  return { input, value: () => input.checked };
}

/** Numbers stay text until they are sent: what is no number is for the server to refuse, in its own words. */
function text(attributes, schema, start, { known }) {
  const numeric = schema.type === "integer" || schema.type === "number";
  const shown = start === undefined || start === null ? "" : Array.isArray(start) ? start.join(", ") : String(start);
  const input = h("input", { ...attributes, type: "text", inputmode: numeric ? "decimal" : false, class: numeric ? "number" : "", autocomplete: "off", spellcheck: "false", value: shown, list: known.length ? `${attributes.id}-list` : false, placeholder: schema.default === undefined ? false : String(schema.default ?? "") });
  const read = () => {
    const written = input.value.trim();
    if (written === "") return undefined;
    if (schema.type === "array") return written.split(",").map((part) => asNumber(part.trim()));
    return numeric ? asNumber(written) : written;
  };
  return { input, value: read };
}

const asNumber = (written) => (Number.isNaN(Number(written)) || written === "" ? written : Number(written));

/** An object within a section, such as the teacher's budget; nothing is sent where nothing differs from its defaults. */
function group(path, label, schema, start, resolve) {
  const fields = Object.entries(schema.properties).map(([key, one]) => {
    const options = one.anyOf?.filter((it) => it.type !== "null");
    const rule = options?.length === 1 ? { ...resolve(options[0]), description: one.description } : one;
    return [key, field(`${path}.${key}`, key.replaceAll("_", " "), rule, start[key] ?? one.default)];
  });
  const value = () => {
    const given = Object.fromEntries(fields.map(([key, one]) => [key, one.value()]).filter(([, it]) => it !== undefined));
    const same = Object.entries(given).every(([key, it]) => it === schema.properties[key].default);
    return same && !Object.keys(start).length ? undefined : given;
  };
  const element = h("fieldset", { class: "group", dataset: { path } }, h("legend", {}, label), h("p", { class: "help" }, sentence(schema.description)), h("p", { class: "field-error", role: "alert" }), h("div", { class: "fields" }, fields.map(([, one]) => one.element)));
  return { element, value, nested: true };
}

const sentence = (words) => (words ?? "").replaceAll("`", "");
