// The one place that talks to the server: JSON in and out, one error type, jobs that are followed by events.

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

async function call(method, path, { params = {}, body, signal } = {}) {
  const url = `api/v1/${path}${query(params)}`;
  const headers = { Accept: "application/json" };
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
  const content = await answer.json().catch((error) => {
    if (isAbort(error)) throw error;
    return {};
  });
  if (answer.ok) return content;
  throw new Problem({ title: answer.statusText || `HTTP ${answer.status}`, ...content, status: answer.status });
}

/** Write parameters as a query string; a list repeats its name, and what is empty is left out. */
export function query(params) {
  const pairs = Object.entries(params).flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]));
  const text = new URLSearchParams(pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();
  return text && `?${text}`;
}

export const api = {
  get: (path, params, signal) => call("GET", path, { params, signal }),
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

  /** Follow a job that was started before, for instance by a page that was reloaded. Throws its problem if it failed. */
  follow(job, changed, signal) {
    return new Promise((resolve, reject) => {
      const stream = new EventSource(`api/v1/jobs/${encodeURIComponent(job.id)}/events`);
      const end = (settle, value) => { stream.close(); settle(value); };
      const finish = (last) => (last.state === "failed" ? end(reject, new Problem(last.problem ?? {})) : end(resolve, last));
      const look = (event) => {
        const state = JSON.parse(event.data);
        changed(state);
        if (state.state !== "running") finish(state);
      };
      stream.addEventListener("progress", look);
      stream.addEventListener("end", look);
      stream.onerror = () => {  // the browser connects again by itself, unless the job is gone
        api.get(`jobs/${encodeURIComponent(job.id)}`, {}, signal).then(
          (state) => { if (state.state !== "running") { changed(state); finish(state); } },
          (error) => end(reject, error),
        );
      };
      signal?.addEventListener("abort", () => end(reject, signal.reason));
    });
  },
};
