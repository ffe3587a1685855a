// Server-sent events over fetch: EventSource can send no key, and it hides why a connection broke.

import { ApiProblem, send } from "./api.js";

const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 5_000;
// The server sends a comment at least every 15 s; silence beyond that is a dead connection.
const SILENCE_MILLISECONDS = 45_000;

/**
 * Follows a stream behind the event `after` until `onEvent` returns true (the last one), `over` says that there will be
 * no more, or `signal` fires. A broken connection is taken up where it broke. `onState` hears "live", "broken", "ended".
 */
export async function follow(path, { after, onEvent, onState, over, signal }) {
  let pause = FIRST_PAUSE_MILLISECONDS;
  const position = { id: after };
  while (!signal.aborted) {
    try {
      const done = await once(path, position, signal, onEvent, () => {
        pause = FIRST_PAUSE_MILLISECONDS;
        onState("live");
      });
      if (done || over()) return onState("ended");
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof ApiProblem && error.status >= 400 && error.status < 500) throw error;
      onState("broken");
    }
    await sleep(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MILLISECONDS);
  }
  return undefined;
}

async function once(path, position, signal, onEvent, onOpen) {
  const silence = new AbortController();
  const both = AbortSignal.any([signal, silence.signal]);
  const headers = { Accept: "text/event-stream", ...(position.id ? { "Last-Event-ID": position.id } : {}) };
  const response = await send(path, { headers, cache: "no-store" }, both);
  if (!response.ok) throw new ApiProblem(response.status, await response.json().catch(() => ({})));
  onOpen();
  let timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
  try {
    for await (const message of messages(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MILLISECONDS);
      if (!message.data) continue;
      if (message.id) position.id = message.id;
      if (onEvent(JSON.parse(message.data))) return true;
    }
  } finally {
    clearTimeout(timer);
  }
  return false;
}

/** Yields `{id, data}` for each block of the stream; comments give one without data. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield parse(block);
  }
}

function parse(block) {
  const message = { id: undefined, data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("id:")) message.id = line.slice(3).trim();
    if (line.startsWith("data:")) message.data += line.slice(5).trimStart();
  }
  return message;
}

function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** Calls `look` now and then every `milliseconds`, never two at once, until `signal` fires; not while nobody looks. */
export async function poll(look, milliseconds, signal) {
  await look();
  while (!signal.aborted) {
    await sleep(milliseconds, signal);
    if (!signal.aborted && !document.hidden) await look();
  }
}
