// Index: what is in it, what happened to each file, adding a folder, and checking it.
import { isAbort } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { empty, notice, problem, progress, size } from "./widgets.js";

const ROWS = 100; // of the table at a time
const PAUSE = 250; // milliseconds without a key until files are looked for

export function render(main, api, t, page) {
  const facts = h("dl.facts");
  const forms = h("div");
  const work = h("section.work", { "aria-label": t("Work in progress"), "aria-live": "polite" });
  const sources = h("section.sources", { "aria-label": t("Files") });
  const ask = api.latest(page.signal);
  const kinds = {
    ingest: { doing: N("Ingest"), result: ingested },
    check: { doing: N("Check the index"), result: checkedIndex },
  };
  let isBusy = false;
  main.append(facts, forms, work, sources);
  page.changed(() => {
    showFacts();
    loadSources();
  });
  page.jobs(takeUp);
  return Promise.all([showFacts(), resume(), loadSources()]);

  // -- facts ----------------------------------------------------------------------------------------------

  async function showFacts() {
    const status = await page.status(true);
    const { counts, settings, bytes, threshold, last_ingest: when } = status;
    const stored = Object.values(bytes).reduce((sum, one) => sum + one, 0);
    const fact = (name, value, detail) =>
      h("div.card", h("dt", name), h("dd", value), detail && h("dd.muted.small", detail));
    fill(
      facts,
      fact(t("Passages"), counts.passages.toLocaleString(), t("{documents} documents in {sources} sources", counts)),
      fact(t("Model"), settings.model, t("{dimension} numbers, {dtype}", settings)),
      fact(t("On disk"), size(stored), status.folder),
      fact(
        t("Threshold"),
        threshold ? String(threshold.threshold ?? threshold) : t("default"),
        threshold ? t("tuned") : t("not tuned yet"),
      ),
      fact(
        t("Last ingest"),
        when
          ? new Date(when).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" })
          : t("never"),
        status.pending && t("something waits to be finished"),
      ),
      status.watch &&
        fact(
          t("Watched folders"),
          status.watch.running ? t("followed") : t("no longer followed"),
          status.watch.problem
            ? [status.watch.problem.detail, status.watch.problem.hint].filter(Boolean).join(" ")
            : t("changes of files are taken up at once"),
        ),
    );
    if (!forms.childElementCount) drawForms(status.read_only);
  }

  // -- jobs -----------------------------------------------------------------------------------------------

  function drawForms(isReadOnly) {
    if (isReadOnly)
      return fill(
        forms,
        notice(
          "info",
          t("This server only reads"),
          h("p.small", t("It was started with --read-only, so nothing can be added here.")),
        ),
      );
    const path = h("input.input.mono", {
      id: "folder",
      placeholder: "/home/me/notes",
      spellcheck: "false",
      autocomplete: "off",
      required: true,
    });
    return fill(
      forms,
      h(
        "div.card.jobs",
        h(
          "form.row",
          {
            onsubmit: (event) => {
              event.preventDefault();
              start({ kind: "ingest", paths: [path.value.trim()] });
            },
          },
          h("label.field.grow", h("span", t("Add a folder or file, or bring it up to date")), path),
          h("button.button.primary", { type: "submit" }, icon("folder"), t("Ingest")),
          h("button.button", { type: "button", onclick: () => start({ kind: "check" }) }, t("Check the index")),
        ),
      ),
    );
  }

  /** Take up the jobs that this page, or another one, had started before it was loaded. */
  async function resume() {
    const jobs = await api.get("jobs", {}, page.signal).catch((error) => {
      if (isAbort(error)) throw error;
      return [];
    });
    jobs.forEach(takeUp);
  }

  function takeUp(job) {
    if (kinds[job.kind] && job.state === "running" && !isBusy) watch(job, api.follow(job, changed(), page.signal));
  }

  function changed() {
    const box = h("div.card.job");
    return (job) => {
      fill(
        box,
        h(
          "div.row",
          h("strong", t(kinds[job.kind]?.doing ?? job.kind)),
          h(
            "button.button.small.end",
            { type: "button", onclick: () => api.delete(`jobs/${job.id}`).catch(page.fail) },
            t("Stop"),
          ),
        ),
        progress(job, t),
      );
      if (!box.isConnected) fill(work, box);
    };
  }

  function start(request) {
    watch({ kind: request.kind }, api.run(request, changed(), page.signal));
  }

  async function watch(job, running) {
    setBusy(true);
    fill(work);
    try {
      const last = await running;
      fill(
        work,
        last.state === "cancelled"
          ? notice("info", t("Stopped"))
          : h("div.card.report", kinds[job.kind].result(last.result)),
      );
    } catch (error) {
      if (isAbort(error)) return;
      fill(work, problem(error, t));
    }
    setBusy(false);
  }

  function setBusy(busy) {
    isBusy = busy;
    forms.querySelectorAll("button").forEach((one) => {
      one.disabled = busy;
    });
  }

  function ingested(report) {
    const failed = report.skipped.filter((one) => one.failed);
    const skipped = report.skipped.filter((one) => !one.failed);
    const reasons = (title, rows, open) =>
      rows.length > 0 &&
      h(
        "details",
        { open },
        h("summary", h("strong", title), ` ${rows.length.toLocaleString()}`),
        h(
          "ul.reasons",
          rows.map((one) => h("li", h("span.path", one.path), h("span.muted", one.reason))),
        ),
      );
    return [
      h("h2", t("Done")),
      h(
        "p",
        COUNTS.map(([name, text]) => t(text, { count: report[name] })).join(" · "),
        " · ",
        t("{seconds} s", { seconds: Math.round(report.seconds * 10) / 10 }),
      ),
      report.notes.map((note) => h("p.muted.small", note)),
      reasons(t("Failed"), failed, true),
      reasons(t("Skipped"), skipped, false),
    ];
  }

  function checkedIndex(report) {
    return [
      h("h2", report.sound ? t("The index is sound") : t("The index has problems")),
      h(
        "ul.reasons",
        report.findings.map((one) =>
          h(
            "li",
            h("span", h(`span.badge.${one.problems.length ? "bad" : "good"}`, one.subject)),
            h("span.muted", one.problems.length ? one.problems.join("; ") : one.note),
          ),
        ),
      ),
    ];
  }

  // -- sources --------------------------------------------------------------------------------------------

  async function loadSources() {
    let timer;
    const body = h("tbody");
    const said = h("span.muted.small", { role: "status" });
    const more = h("button.button", { type: "button", onclick: () => load(body.childElementCount) }, t("Show more"));
    const state = h(
      "select.input",
      { "aria-label": t("State"), onchange: () => load() },
      h("option", { value: "" }, t("All")),
      STATES.map(([name]) => h("option", { value: name }, t(name))),
    );
    const words = h("input.input", {
      type: "search",
      "data-search": true,
      "aria-label": t("Find a file"),
      placeholder: t("Find a file"),
      spellcheck: "false",
      oninput: () => {
        clearTimeout(timer);
        timer = setTimeout(load, PAUSE);
      },
    });
    const absent = h("div");
    const table = h(
      "div.card.scroll",
      { tabindex: "0", role: "group", "aria-label": t("Files") },
      h(
        "table",
        h(
          "thead",
          h(
            "tr",
            [t("File"), t("State"), t("Documents"), t("Passages"), t("Unknown words"), t("Read")].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        body,
      ),
    );
    const all = [h("div.row", h("h2", t("Files")), state, h("div.grow", words), said), absent, table, h("div", more)];
    return load();

    /** Show the files that are asked for, from the first on, or those after the first `offset` in addition. */
    async function load(offset = 0) {
      const contains = words.value.trim();
      try {
        const found = await ask.get("sources", { status: state.value, contains, offset, limit: ROWS });
        if (!found.matching && !state.value && !contains) return fill(sources, nothing());
        if (!all[0].isConnected) fill(sources, all);
        fill(absent, !found.matching && noSuch(contains));
        show(found.sources, found.matching, offset);
      } catch (error) {
        if (!isAbort(error)) fill(sources, problem(error, t, loadSources));
      }
    }

    function noSuch(contains) {
      const button = contains && h("button.button", { type: "button", onclick: why }, t("Ask what became of it"));
      return empty("file", t("No such file"), button);
    }

    function show(rows, matching, offset = 0) {
      fill(said, t.count(matching, "{count} file", "{count} files"));
      table.hidden = !matching;
      if (offset) body.append(...rows.map(row));
      else fill(body, rows.map(row));
      more.hidden = body.childElementCount >= matching;
    }

    /** Explain a path that is not in the list: outside of every folder, skipped with its folder, or not there. */
    async function why() {
      try {
        const told = await api.get("why", { path: words.value.trim() }, page.signal);
        fill(absent);
        show(told, told.length);
      } catch (error) {
        if (!isAbort(error)) fill(absent, problem(error, t));
      }
    }
  }

  function nothing() {
    return empty(
      "folder",
      t("Nothing is indexed yet"),
      h("p", t("Give a folder above. Files that change later are read again by the next ingest.")),
    );
  }

  function row(one) {
    const number = (value) => (value === null ? "" : value.toLocaleString());
    return h(
      "tr",
      h(
        "th.file",
        { scope: "row" },
        h("p.path", one.path),
        one.reason && h("p.muted.small", [one.reason, one.detail].filter(Boolean).join(" · ")),
      ),
      h("td", h(`span.badge.${STATES.find(([name]) => name === one.status)?.[1] ?? "warn"}`, t(one.status))),
      h("td", number(one.documents)),
      h("td", number(one.passages)),
      h(
        "td",
        one.oov_rate === null ? "" : one.oov_rate >= HIGH ? h("strong", percent(one.oov_rate)) : percent(one.oov_rate),
      ),
      h(
        "td.muted.small",
        one.indexed
          ? new Date(one.indexed).toLocaleDateString(document.documentElement.lang, { dateStyle: "medium" })
          : "",
      ),
    );
  }
}

const COUNTS = [
  ["added", N("{count} added")],
  ["updated", N("{count} updated")],
  ["unchanged", N("{count} unchanged")],
  ["removed", N("{count} removed")],
];
const HIGH = 0.05; // semsearch.types.HIGH_OOV_RATE
const percent = (share) => `${Math.round(share * 100)} %`;
const STATES = [
  [N("indexed"), "good"],
  [N("stale"), "warn"],
  [N("new"), "warn"],
  [N("skipped"), "warn"],
  [N("failed"), "bad"],
  [N("missing"), "bad"],
]; // `outside` and `unknown` are answers to a look-up only
