// The REST API. Errors are problems (RFC 9457) with `detail` and, for bad input, `errors: [{field, message}]`.

import { askForKey, authorization } from "./key.js";

// Creating a job reads its data and loads a tokenizer; everything else is quicker.
const REQUEST_MILLISECONDS = 60_000;
const PAGE = 1000;

export class ApiProblem extends Error {
  constructor(status, body) {
    super(body.detail || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code;
    this.errors = body.errors || [];
    this.requestId = body.request_id;
  }
}

/** GET with query parameters; empty ones are left out. */
export function get(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(given).toString();
  return ask(text ? `${path}?${text}` : path, {}, signal);
}

export function post(path, body, headers = {}) {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, ...content });
}

export const remove = (path) => ask(path, { method: "DELETE" });

async function ask(path, options, signal) {
  const timeout = AbortSignal.timeout(REQUEST_MILLISECONDS);
  const response = await send(path, options, signal ? AbortSignal.any([signal, timeout]) : timeout);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiProblem(response.status, body);
  return body;
}

/** fetch with the user's key; asks for one where the server wants it. */
export async function send(path, options, signal) {
  let response;
  do {
    const headers = { ...options.headers, ...authorization() };
    try {
      response = await fetch(path, { ...options, headers, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiProblem(0, { detail: "The orchestrator does not answer. Is it running?" });
    }
  } while (response.status === 401 && (await askForKey(await reason(response))));
  return response;
}

const reason = async (response) => (await response.clone().json().catch(() => ({}))).detail;

/** Every item of a list, page by page. */
export async function all(path, query, signal) {
  const items = [];
  let after;
  do {
    const page = await get(path, { limit: PAGE, ...query, after }, signal);
    items.push(...page.data);
    after = page.has_more ? page.last_id : undefined;
  } while (after !== undefined);
  return items;
}

/** An id in a path; episode ids keep their slashes. */
export const inPath = (id) => id.split("/").map(encodeURIComponent).join("/");
