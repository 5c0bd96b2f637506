// Label texts by examples: each label with its probability, and what is promised of those that count.
import { parseTable, toTable } from "./csv.js";
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { draft, keepDraft } from "./memory.js";
import { download, empty, notice, percentRange, problem, table } from "./widgets.js";

const LONGEST_FILE = 8_000_000; // bytes
const SHOWN = 100; // rows at first
const DECIDED = { model: N("labelled"), rule: N("by a rule"), unsure: N("unsure"), unknown: N("unknown") };

export function render(main, api, t, page) {
  const ask = api.latest(page.signal);
  const examples = box(
    "examples",
    t("Examples"),
    t("On each line a label, a comma and a text; or CSV with the columns label and text"),
  );
  const texts = box("triaged", t("Texts to label"), t("One text on each line; or CSV with a column text"));
  const promise = h("input.input", { type: "number", min: 50, max: 99.9, step: 0.1, value: "95", required: true });
  const rules = h("textarea.input.mono", {
    id: "rules",
    rows: 5,
    spellcheck: "false",
    placeholder: '[[rule]]\nlabel = "refund"\nany = ["money back", "refund*"]',
    value: draft("rules"),
    oninput: () => keepDraft("rules", rules.value),
  });
  const results = h("section.life", { "aria-label": t("Labels"), "aria-live": "polite" });
  const form = h(
    "form.life",
    {
      onsubmit: (event) => {
        event.preventDefault();
        look();
      },
    },
    h("div.life-boxes", examples.element, texts.element),
    h(
      "details.card",
      { open: Boolean(rules.value) },
      h("summary", t("Rules that decide first")),
      h("div.fields", h("label.label", { for: "rules" }, t("Rules in TOML")), rules),
    ),
    h(
      "div.row",
      h("label.field.tune-target", h("span", t("Labels that shall be right, in %")), promise),
      h("button.button.primary", icon("triage"), t("Label them")),
    ),
  );
  fill(main, form, results);
  fill(
    results,
    empty(
      "triage",
      t("Labels from a few examples"),
      h(
        "p",
        t(
          "Ten examples a label are a good beginning. A label counts where it is sure; else the text is unsure, or unknown where no example is like it. Nothing is kept.",
        ),
      ),
    ),
  );

  /** A field for lines or a table, which a file can fill. */
  function box(name, title, hint) {
    const area = h("textarea.input", {
      id: name,
      rows: 9,
      spellcheck: "false",
      placeholder: hint,
      value: draft(name),
      oninput: () => keepDraft(name, area.value),
    });
    const take = async ([one]) => {
      if (!one) return;
      if (one.size > LONGEST_FILE) return page.toast(t("This file is too large for the page"), "bad");
      area.value = await one.text();
      keepDraft(name, area.value);
    };
    const file = h("input.hidden", {
      type: "file",
      accept: ".csv,.tsv,.txt,text/*",
      tabindex: "-1",
      "aria-label": `${title}: ${t("Choose a file")}`,
      onchange: () => take(file.files),
    });
    const choose = h(
      "button.link.end",
      { type: "button", "aria-label": `${title}: ${t("Choose a file")}`, onclick: () => file.click() },
      icon("file"),
      t("Choose a file"),
    );
    const element = h("div.card", h("div.row", h("label.label", { for: name }, title), choose, file), area);
    return { element, area };
  }

  /** The rows of a table with the columns asked for, or null where the first line does not name them. */
  function columns(content, names) {
    const separator = content.split("\n", 1)[0].includes("\t") ? "\t" : ",";
    const rows = parseTable(content.trim(), separator);
    const head = (rows[0] ?? []).map((cell) => cell.trim().toLowerCase());
    const places = names.map((name) => head.indexOf(name));
    return places.includes(-1)
      ? { separator, rows, named: null }
      : { separator, rows, named: rows.slice(1).map((row) => places.map((at) => row[at] ?? "")) };
  }

  function request() {
    const known = columns(examples.area.value, ["label", "text"]);
    const pairs = known.named ?? known.rows.map(([label, ...rest]) => [label, rest.join(known.separator)]);
    const usable = pairs.filter(([label, text]) => label.trim() && text.trim());
    const asked = columns(texts.area.value, ["text"]).named?.map(([text]) => text) ?? texts.area.value.split(/\r?\n/);
    return {
      examples: usable.map(([, text]) => text.trim()),
      labels: usable.map(([label]) => label.trim()),
      texts: asked.map((text) => text.trim()).filter(Boolean),
      promise: Number(promise.value) / 100,
      rules: rules.value.trim(),
    };
  }

  async function look() {
    const asked = request();
    if (!asked.examples.length || !asked.texts.length)
      return fill(
        results,
        notice(
          "info",
          t("Give examples and texts"),
          h("p", t("An example is a line such as: order, where is my parcel")),
        ),
      );
    fill(results, h("p.muted", t("Labelling {count} texts…", { count: asked.texts.length })));
    try {
      const found = await ask.post("triage", asked);
      fill(results, worth(found), labelled(found), perLabel(found));
    } catch (error) {
      if (error.name !== "AbortError") fill(results, problem(error, t, look));
    }
  }

  function worth(found) {
    const percent = (share) => `${Number((100 * share).toFixed(1))}%`;
    const { rule = 0, model = 0, unsure = 0, unknown = 0 } = found.counts;
    return h(
      "section.card",
      h("h2", t("{count} labelled, {unsure} unsure, {unknown} unknown", { count: rule + model, unsure, unknown })),
      found.guarantee
        ? h(
            "p",
            h("span.badge.good", t("promised")),
            " ",
            t(
              "For texts like the examples at least {promise} of the model's labels are right, with {confidence} confidence. {sure} of such texts get a label.",
              {
                promise: percent(found.promise),
                confidence: percent(found.guarantee.confidence),
                sure: percentRange(found.sure, t),
              },
            ),
          )
        : notice(
            "warn",
            t("{promise} cannot be promised, so no label counts", { promise: percent(found.promise) }),
            h(
              "p",
              found.possible
                ? t("These examples allow {possible}. Ask for that, or add examples.", {
                    possible: percent(found.possible),
                  })
                : t("The examples are too few, or too alike: add some, ten a label or more."),
            ),
          ),
      h(
        "p.small.muted",
        t(
          "Trained on {count} examples. In cross-validation {share} of all guesses are right; ranges are intervals of 95% confidence.",
          { count: found.examples, share: percentRange(found.accuracy, t) },
        ),
      ),
      found.ambiguous > 0 &&
        h(
          "p.small.muted",
          t.count(found.ambiguous, "{count} example has two labels", "{count} examples have two labels"),
        ),
    );
  }

  function labelled({ texts: rows, unknown }) {
    const place = h("div");
    const save = () =>
      download(
        "labelled.csv",
        toTable(
          ["label", "by", "guess", "probability", "text"],
          rows.map((one) => [one.label, one.by, one.guess, one.probability.toFixed(4), one.text]),
        ),
        "text/csv",
      );
    const draw = (count) =>
      fill(
        place,
        table(
          t("Labels"),
          [t("label"), t("probability"), "", t("text")],
          rows.slice(0, count).map((one) => {
            const by = one.by.split(" ")[0];
            return [
              by === "unknown" ? h("span.muted", "–") : one.label || `${one.guess}?`,
              by === "unknown" || by === "rule" ? "" : one.probability.toFixed(2),
              h(`span.badge${one.label ? ".good" : ".warn"}`, t(DECIDED[by]), one.by.slice(by.length)),
              one.text,
            ];
          }),
        ),
        rows.length > count &&
          h("button.button.small", { type: "button", onclick: () => draw(rows.length) }, t("Show all")),
      );
    draw(SHOWN);
    return h(
      "section.card",
      h(
        "div.row",
        h("h2", t("Labels")),
        h("button.button.small.end", { type: "button", onclick: save }, icon("download"), "CSV"),
      ),
      place,
      unknown.length > 0 &&
        h(
          "p.small.muted",
          t.count(unknown.length, "The unknown texts are {count} kind.", "The unknown texts are of {count} kinds."),
        ),
      unknown.map((one) =>
        h(
          "p.small",
          h("span.badge.warn", `${t("unknown")} ${one.number}`),
          " ",
          t.count(one.size, "{count} text", "{count} texts"),
          t(", such as: "),
          rows[Number(one.central)]?.text,
        ),
      ),
    );
  }

  function perLabel({ labels }) {
    return h(
      "details.card",
      h("summary", t("Each label in cross-validation")),
      table(
        t("Each label in cross-validation"),
        [t("label"), t("examples"), t("found again")],
        labels.map((one) => [one.label, one.examples, percentRange(one.recall, t)]),
      ),
    );
  }
}
