// The one place that talks to the server: JSON in and out, one error type, jobs that are followed by events.

import { current } from "./i18n.js";

const token = document.querySelector("meta[name=semsearch-token]")?.content ?? "";

/** An answer that is not one: RFC 9457's problem details, or what the network says. */
export class Problem extends Error {
  constructor({ title = "", detail = "", hint = "", status = 0, exit_code: exitCode = null }) {
    super(detail || title);
    Object.assign(this, { title, detail, hint, status, exitCode });
  }
}

/** Is this the end of a question that nobody waits for any more? */
export const isAbort = (error) => error?.name === "AbortError";

async function call(method, path, { params = {}, body, signal, bytes = false } = {}) {
  const url = `api/v1/${path}${query(params)}`;
  const headers = { Accept: "application/json", "Accept-Language": current() };
  if (method !== "GET") headers["X-Semsearch-Token"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem({ title: "The server does not answer", hint: "Is `semsearch serve` still running?" });
  }
  if (answer.status === 204) return null;
  if (bytes && answer.ok) return answer.arrayBuffer();
  const content = await answer.json().catch((error) => {
    if (isAbort(error)) throw error;
    return {};
  });
  if (answer.ok) return content;
  if (answer.status === 401) content.hint = "The server was started again. Reload the page.";
  throw new Problem({ title: answer.statusText || `HTTP ${answer.status}`, ...content, status: answer.status });
}

/** Write parameters as a query string; a list repeats its name, and what is empty is left out. */
export function query(params) {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) => [name, one]),
  );
  const text = new URLSearchParams(
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== ""),
  ).toString();
  return text && `?${text}`;
}

export const api = {
  get: (path, params, signal) => call("GET", path, { params, signal }),
  /** Return the answer as an ArrayBuffer. */
  bytes: (path, params, signal) => call("GET", path, { params, signal, bytes: true }),
  post: (path, body, signal) => call("POST", path, { body, signal }),
  delete: (path, signal) => call("DELETE", path, { signal }),

  /** Return { get, post, stop } like those above, where the next question ends the one before: the last one wins. */
  latest(signal) {
    let running = new AbortController();
    const next = () => {
      running.abort();
      running = new AbortController();
      return AbortSignal.any([signal, running.signal]);
    };
    return {
      get: (path, params) => call("GET", path, { params, signal: next() }),
      post: (path, body) => call("POST", path, { body, signal: next() }),
      stop: () => running.abort(),
    };
  },

  /** Start a job, tell `changed` of every state of it, and return the last one. */
  async run(request, changed, signal) {
    const job = await api.post("jobs", request, signal);
    changed(job);
    return api.follow(job, changed, signal);
  },

  /** Follow a job, also one that was started before the page was loaded. Throws its problem if it failed. */
  follow(job, changed, signal) {
    const path = `jobs/${encodeURIComponent(job.id)}`;
    return new Promise((resolve, reject) => {
      const done = new AbortController();
      const end = (settle, value) => {
        done.abort();
        settle(value);
      };
      const look = (state) => {
        changed(state);
        if (state.state === "failed") end(reject, new Problem(state.problem ?? {}));
        else if (state.state !== "running") end(resolve, state);
      };
      signal.addEventListener("abort", () => end(reject, signal.reason), { signal: done.signal });
      // The event of the end is in the language of the browser's settings, so the job is asked for.
      const ask = () =>
        api.get(path, {}, done.signal).then(look, (error) => {
          if (!isAbort(error)) end(reject, error);
        });
      listen(`${path}/events`, { progress: look, end: ask }, done.signal, ask);
    });
  },
};

/**
 * Listen to the events of a path until the signal. Only a page that is seen listens: a browser has six connections to a
 * server for all its tabs. `failed` is called when the connection breaks; the browser then connects again by itself.
 */
export function listen(path, handlers, signal, failed = () => {}) {
  let stream = null;
  const open = () => {
    stream?.close();
    stream = null;
    if (document.hidden || signal?.aborted) return;
    stream = new EventSource(`api/v1/${path}`);
    for (const [name, handle] of Object.entries(handlers))
      stream.addEventListener(name, (event) => handle(event.data && JSON.parse(event.data)));
    stream.onerror = failed;
  };
  document.addEventListener("visibilitychange", open, { signal });
  signal?.addEventListener("abort", open);
  open();
}
