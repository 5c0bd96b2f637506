// Search: as you type, with why each passage was found, and its document next to it.
import { isAbort } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { documentPanel } from "./document.js";
import { empty, meter, notice, place, problem, segmented } from "./widgets.js";

const PAUSE = 140; // milliseconds without a key after which a question is sent
const FIRST = 10;
const MORE = 20;
const SHOWN_VALUES = 8; // of a field, before "more"
const SNIPPET = 340; // characters

export function render(main, api, t, page) {
  const asked = read(page.params);
  const ask = api.latest(page.signal);
  const askFilters = api.latest(page.signal);
  let timer = 0;
  let hits = [];

  const field = h("input.input.question", {
    type: "search",
    "data-search": true,
    "aria-label": t("Search by meaning and words"),
    "aria-controls": "results",
    placeholder: t("Ask in your own words"),
    autocomplete: "off",
    spellcheck: "false",
    value: asked.q,
    oninput: (event) => {
      if (!event.isComposing) typed();
    },
    oncompositionend: typed, // until then, an input method shows letters that are no question
    onkeydown: fieldKey,
  });
  const filterButton = h(
    "button.button.small",
    { type: "button", "aria-expanded": "false", "aria-controls": "filters", onclick: toggleFilters },
    t("Filters"),
  );
  const chips = h("div.row.chosen");
  const filters = h("div.filters.card", { id: "filters", hidden: true });
  const said = h("p.said.muted.small", { role: "status", "aria-live": "polite" });
  const remarks = h("div.remarks");
  const list = h("ol.results", { id: "results", "aria-label": t("Results") });
  const more = h(
    "button.button",
    {
      type: "button",
      hidden: true,
      onclick: () => {
        asked.k += MORE;
        search();
      },
    },
    t("Show more"),
  );
  const panel = documentPanel(api, t, page, {
    opened: (shown) => {
      Object.assign(asked, shown);
      keep();
      mark();
    },
    closed: () => {
      Object.assign(asked, { open: "", line: "", similar: "" });
      keep();
      const before = list.querySelector("[aria-current] .title");
      mark();
      before?.focus();
    },
  });

  main.append(
    h(
      "form.ask",
      {
        role: "search",
        onsubmit: (event) => {
          event.preventDefault();
          search();
        },
      },
      h("div.question-box", icon("search"), field, h("kbd", { "aria-hidden": "true" }, "/")),
      h(
        "div.row",
        segmented(
          t("Search by"),
          "mode",
          { hybrid: t("Meaning and words"), dense: t("Meaning"), lexical: t("Words") },
          asked.mode,
          (mode) => {
            asked.mode = mode;
            search();
          },
        ),
        h(
          "label.check",
          h("input", {
            type: "checkbox",
            checked: asked.collapse,
            onchange: (event) => {
              asked.collapse = event.target.checked;
              search();
            },
          }),
          t("Collapse copies"),
        ),
        filterButton,
        chips,
      ),
    ),
    filters,
    h("div.found", h("section.hits", { "aria-label": t("Results") }, said, remarks, list, more), panel.element),
  );

  page.keys([
    { keys: ["j", "ArrowDown"], does: "Next result", run: () => step(1) },
    { keys: ["k", "ArrowUp"], does: "Previous result", run: () => step(-1) },
    { keys: ["Enter"], does: "Open the document at the passage", run: () => false }, // its button does it
    {
      keys: ["s"],
      does: "Similar passages",
      run: () => {
        const hit = hits[position()] ?? (asked.open && { document: asked.open, start: Number(asked.line) });
        if (!hit) return false;
        panel.open(hit, { similar: true });
      },
    },
    { keys: ["Escape"], does: "Close the document", always: true, run: () => panel.close() },
  ]);
  page.changed(() => search());
  drawChips();
  if (matchMedia("(hover: hover)").matches) field.focus();
  return search().then(
    () =>
      asked.open && panel.open({ document: asked.open, start: Number(asked.line) }, { similar: asked.similar === "1" }),
  );

  // -- asking ---------------------------------------------------------------------------------------------

  function typed() {
    asked.q = field.value;
    asked.k = FIRST;
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE);
  }

  function keep() {
    page.remember(write(asked));
  }

  async function search() {
    clearTimeout(timer);
    keep();
    const q = whole(asked);
    if (!q) return showStart();
    list.setAttribute("aria-busy", "true");
    if (!list.childElementCount)
      fill(
        list,
        [1, 2, 3].map(() => h("li.skeleton", { "aria-hidden": "true" })),
      );
    const question = {
      q,
      k: asked.k,
      mode: asked.mode,
      source: asked.source,
      collapse: asked.collapse,
      explain: true,
    };
    try {
      const answer = await ask.get("search", { ...question, highlight: false });
      hits = answer.hits;
      showAnswer(answer);
    } catch (error) {
      if (isAbort(error)) return;
      hits = [];
      fill(list);
      fill(said);
      more.hidden = true;
      fill(remarks, problem(error, t, search));
    }
    list.removeAttribute("aria-busy");
    // The best sentences of ten long passages take ten times as long to find as the passages do.
    const marked = hits.length && (await ask.get("search", question).catch(() => null));
    if (marked) markBest(marked.hits);
  }

  // -- showing --------------------------------------------------------------------------------------------

  async function showStart() {
    ask.stop();
    hits = [];
    fill(list);
    list.removeAttribute("aria-busy");
    fill(said);
    more.hidden = true;
    const status = await page.status().catch(() => null);
    if (field.value) return;
    fill(
      remarks,
      status && !status.counts.passages
        ? empty(
            "folder",
            t("This index is empty"),
            h("p", t("Add a folder first; then its passages are found here.")),
            h("a.button.primary", { href: page.address("index") }, t("Add a folder")),
          )
        : empty(
            "search",
            t("What are you looking for?"),
            h("p", t("Ask in your own words. A passage is found by what it means, even where it uses other words.")),
            h(
              "dl.syntax",
              [
                ['"…"', t("exactly these words")],
                ["+…", t("with this word")],
                ["-…", t("without this word")],
                ["tags:…", t("where a field says so; also date>=2024")],
                ["source:notes/*", t("only in these files")],
              ].map(([sign, does]) => [h("dt", h("code", sign)), h("dd", does)]),
            ),
          ),
    );
  }

  function showAnswer(answer) {
    const best = Math.max(...hits.map((hit) => hit.bm25 ?? 0), Number.MIN_VALUE);
    fill(
      remarks,
      hits.length > 0 &&
        answer.doubt &&
        notice(
          "warn",
          t("Nothing relevant found"),
          h(
            "p.small",
            t(
              "Unrelated questions find passages here that fit as well. What is nearest is below.",
            ),
          ),
        ),
      answer.notes.map((note) => notice("info", note)),
      !hits.length &&
        empty(
          "search",
          t("Nothing found"),
          h(
            "p",
            asked.filters.length || asked.source
              ? t("Remove a filter, or ask in other words.")
              : asked.mode === "lexical"
                ? t("No passage has these words. Search by meaning as well.")
                : t("Ask in other words."),
          ),
        ),
    );
    const at = focused();
    fill(
      list,
      hits.map((hit, rank) => result(hit, rank, best)),
    );
    titles()[at]?.focus({ preventScroll: true }); // as where the index changed while somebody reads
    fill(said, hits.length ? t.count(hits.length, "{count} passage", "{count} passages") : t("Nothing found"));
    more.hidden = hits.length < asked.k;
    mark();
  }

  function markBest(marked) {
    const sentences = new Map(marked.map((hit) => [hit.passage_id, hit.best_sentence]));
    for (const [at, shown] of [...list.children].entries()) {
      hits[at].best_sentence = sentences.get(hits[at].passage_id);
      fill(shown.querySelector(".snippet"), snippet(hits[at]));
    }
  }

  function result(hit, at, best) {
    return h(
      "li.result",
      { data: { passage: hit.passage_id } },
      h(
        "article",
        h(
          "header",
          h(
            "button.title",
            { type: "button", onclick: () => panel.open(hit) },
            h("span.hidden", `${at + 1}. `),
            hit.heading || basename(hit.document),
          ),
          h("p.where", h("span.path", hit.document), h("span", place(hit, t))),
        ),
        h("p.snippet", snippet(hit)),
        h(
          "div.row.why",
          relevance(hit.relevance),
          why(t("Meaning"), hit.cosine, hit.dense_rank, hit.cosine),
          why(t("Words"), hit.bm25, hit.lexical_rank, hit.bm25 / best),
          hit.document_factor !== null &&
            hit.document_factor !== 1 &&
            h(
              "span.reason",
              { title: t("How well the whole document fits") },
              t("Document"),
              ` × ${hit.document_factor.toFixed(2)}`,
            ),
          traits(hit.metadata),
          h(
            "button.link.end",
            { type: "button", onclick: () => panel.open(hit, { similar: true }) },
            icon("similar"),
            t("Similar"),
          ),
        ),
        hit.copies.length > 0 &&
          h(
            "details.copies",
            h("summary", t.count(hit.copies.length, "{count} more copy", "{count} more copies")),
            h(
              "ul",
              hit.copies.map((copy) =>
                h(
                  "li",
                  h("button.link", { type: "button", onclick: () => panel.open(copy) }, copy.document),
                  " ",
                  h("span.muted", place(copy, t)),
                ),
              ),
            ),
          ),
      ),
    );
  }

  function relevance(share) {
    if (share === null) return null;
    const shown = Math.min(Math.floor(share * 1000) / 1000, 0.999).toFixed(3);
    const label = t("{share} of unrelated questions find nothing as good", { share: shown });
    return measure(t("Relevance"), share, shown, label);
  }

  function why(name, score, rank, share) {
    if (!score) return null;
    const shown = score.toFixed(2);
    return measure(name, share, shown, t("{name}: {score}, rank {rank}", { name, score: shown, rank: rank ?? "–" }));
  }

  function measure(name, share, shown, label) {
    return h(
      "span.reason",
      { title: label },
      name,
      meter(share, label),
      h("span.number", { "aria-hidden": "true" }, shown),
    );
  }

  function traits(metadata) {
    return Object.entries(metadata)
      .flatMap(([name, value]) =>
        [value]
          .flat()
          .slice(0, 3)
          .map((one) => [name, String(one)]),
      )
      .filter(([, value]) => quotable(value) && value.length <= 40)
      .slice(0, 5)
      .map(([name, value]) =>
        h(
          "button.chip.trait",
          {
            type: "button",
            title: t("Filter by {filter}", { filter: `${name}: ${value}` }),
            onclick: () => toggle(name, value),
          },
          h("span.muted", name),
          value,
        ),
      );
  }

  // -- filters --------------------------------------------------------------------------------------------

  function toggle(name, value) {
    const at = asked.filters.findIndex(([field_, one]) => field_ === name && one === value);
    if (at >= 0) asked.filters.splice(at, 1);
    else asked.filters.push([name, value]);
    changedFilters();
  }

  function changedFilters() {
    asked.k = FIRST;
    drawChips();
    if (!filters.hidden) drawFilters();
    search();
  }

  function drawChips() {
    const chip = (label, remove) =>
      h(
        "button.chip",
        { type: "button", "aria-label": t("Remove the filter {filter}", { filter: label }), onclick: remove },
        label,
        icon("close"),
      );
    fill(
      chips,
      asked.source &&
        chip(`${t("Files")}: ${asked.source}`, () => {
          asked.source = "";
          changedFilters();
        }),
      asked.filters.map(([name, value]) => chip(`${name}: ${value}`, () => toggle(name, value))),
    );
  }

  function toggleFilters() {
    filters.hidden = !filters.hidden;
    filterButton.setAttribute("aria-expanded", String(!filters.hidden));
    if (!filters.hidden) drawFilters();
  }

  async function drawFilters() {
    const source = h("input.input", {
      value: asked.source,
      placeholder: "notes/*.md",
      spellcheck: "false",
      onchange: () => {
        asked.source = source.value.trim();
        changedFilters();
      },
    });
    const values = h("div.fields");
    fill(filters, h("label.field", h("span", t("Files")), source), values);
    try {
      const found = (await askFilters.get("facets", { q: conditions(asked) })).filter((one) => one.values.length);
      const isShared = ({ field, values: [{ count }] }) => count > 1 || asked.filters.some(([name]) => name === field);
      const own = found.filter((one) => !isShared(one)); // such as ids and titles, where each document has its own value
      fill(
        values,
        found.filter(isShared).map(facet),
        own.length > 0 &&
          h("details", h("summary.small", t("Fields that differ in every document")), h("div.fields", own.map(facet))),
        !found.length && h("p.muted.small", t("The documents of this index have no fields such as tags or dates.")),
      );
    } catch (error) {
      if (!isAbort(error)) fill(values, problem(error, t, drawFilters));
    }
  }

  function facet({ field: name, values }) {
    const chosen = (value) => asked.filters.some(([field_, one]) => field_ === name && one === value);
    const usable = values.map(({ value, count }) => [String(value), count]).filter(([value]) => quotable(value));
    const chip = ([value, count]) =>
      h(
        "button.chip",
        { type: "button", "aria-pressed": String(chosen(value)), onclick: () => toggle(name, value) },
        value,
        h("span.count", String(count)),
      );
    return h(
      "div.facet",
      { role: "group", "aria-label": name },
      h("span.label", name),
      h(
        "div.row",
        usable.slice(0, SHOWN_VALUES).map(chip),
        usable.length > SHOWN_VALUES &&
          h(
            "details",
            h("summary.small", t("{count} more", { count: usable.length - SHOWN_VALUES })),
            h("div.row", usable.slice(SHOWN_VALUES).map(chip)),
          ),
      ),
    );
  }

  // -- keys -----------------------------------------------------------------------------------------------

  function titles() {
    return [...list.querySelectorAll(".title")];
  }

  function focused() {
    return [...list.children].findIndex((item) => item.contains(document.activeElement));
  }

  /** Which result the keys start from: the one that has the focus, or else the one that is open. */
  function position() {
    const at = focused();
    return at >= 0 ? at : [...list.children].findIndex((item) => item.ariaCurrent);
  }

  function step(by) {
    const all = titles();
    const next = position() + by;
    if (next < 0) field.focus();
    else all[Math.min(next, all.length - 1)]?.focus();
    document.activeElement.closest?.(".result")?.scrollIntoView({ block: "nearest" });
  }

  function fieldKey(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" && titles().length) {
      event.preventDefault();
      titles()[0].focus();
    }
    if (event.key === "Escape") {
      event.preventDefault(); // a browser would erase the question
      event.stopPropagation();
      field.blur();
    }
  }

  /** Show which result is open. */
  function mark() {
    const isOpen = ({ document: name, start }) => name === asked.open && String(start || "") === asked.line;
    for (const [at, item] of [...list.children].entries())
      item.ariaCurrent = hits[at] && [hits[at], ...hits[at].copies].some(isOpen) ? "true" : null;
  }
}

// -- the question and its address ---------------------------------------------------------------------------

const quotable = (value) => value !== "" && !value.includes('"');
const conditions = ({ filters }) => filters.map(([name, value]) => `${name}:"${value}"`).join(" ");
const whole = (asked) => [asked.q.trim(), conditions(asked)].filter(Boolean).join(" ");

function read(params) {
  const mode = params.get("mode");
  return {
    q: params.get("q") ?? "",
    mode: ["dense", "lexical"].includes(mode) ? mode : "hybrid",
    source: params.get("source") ?? "",
    collapse: params.get("collapse") !== "false",
    filters: params.getAll("f").map((text) => [text.slice(0, text.indexOf(":")), text.slice(text.indexOf(":") + 1)]),
    k: FIRST,
    open: params.get("open") ?? "",
    line: params.get("line") ?? "",
    similar: params.get("similar") ?? "",
  };
}

function write({ q, mode, source, collapse, filters, open, line, similar }) {
  const said = {
    q,
    mode: mode === "hybrid" ? "" : mode,
    source,
    collapse: collapse ? "" : "false",
    open,
    line,
    similar,
  };
  const pairs = Object.entries(said).filter(([, value]) => value !== "");
  return [...pairs, ...filters.map(([name, value]) => ["f", `${name}:${value}`])];
}

// -- texts --------------------------------------------------------------------------------------------------

const basename = (name) => name.split("/").pop();

/** The part of a passage around its best sentence, which is marked. A first line that only repeats the heading is left out. */
function snippet({ text, best_sentence: best, heading }) {
  const [first] = text.split("\n", 1);
  const from = heading && first.replace(/^[#=*\s]+/, "").trim() === heading ? first.length : 0;
  const at = best ? text.indexOf(best, from) : -1;
  const start = at - from > SNIPPET / 2 ? text.indexOf(" ", at - SNIPPET / 3) + 1 || at : from;
  const least = Math.max(start + SNIPPET, at + (best?.length ?? 0));
  const end = least < text.length ? Math.max(text.lastIndexOf(" ", least), least - 20) : text.length;
  const shown = (a, b) => text.slice(a, b).replace(/\s+/g, " ");
  const lead = start > from ? "…\u2009" : "";
  const tail = end < text.length ? "\u2009…" : "";
  if (at < 0) return [lead, shown(start, end).trimStart(), tail];
  return [
    lead,
    shown(start, at).trimStart(),
    h("mark", shown(at, at + best.length)),
    shown(at + best.length, end),
    tail,
  ];
}
