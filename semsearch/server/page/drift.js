// What has changed: the texts of an earlier window of time against those of a later one.
import { documentPanel } from "./document.js";
import { fill, h } from "./dom.js";
import { N } from "./i18n.js";
import { addFirst, empty, notice, percentRange, problem, ranged, table } from "./widgets.js";

const TIMES = { ingested: N("when it came into the index"), modified: N("when its file was last changed") };
const TESTS = {
  terms: N("Terms"),
  vectors: N("Meaning"),
  length: N("Length in tokens"),
  pieces: N("Tokens a word"),
  unknown: N("Unknown tokens"),
  scores: N("Similarities of pairs"),
};
const SHOWN = 20; // terms at first
const DATE = /^\d{4}(-\d{2}(-\d{2})?)?/;

export async function render(main, api, t, page) {
  const [{ counts }, fields] = await Promise.all([page.status(), api.get("facets", {}, page.signal)]);
  if (!counts.passages)
    return fill(main, addFirst("drift", t("This index is empty"), t, page));
  const ask = api.latest(page.signal);
  const dates = fields.filter(({ values }) => values.length && values.every(({ value }) => DATE.test(String(value))));
  const options = {
    ...Object.fromEntries(dates.map(({ field }) => [field, t("the field {name}", { name: field })])),
    ...Object.fromEntries(Object.entries(TIMES).map(([name, text]) => [name, t(text)])),
  };
  const given = (name) => page.params.get(name) ?? "";
  const date = (name, label, hint) =>
    h(
      "label.field",
      h("span", label),
      h("input.input", { name, value: given(name), placeholder: hint, autocomplete: "off", size: 14 }),
    );
  const results = h("section.life", { "aria-label": t("Drift"), "aria-live": "polite" });
  const panel = documentPanel(api, t, page, { opened: () => {}, closed: () => {} });
  const form = h(
    "form.card.life-form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        look();
      },
    },
    h(
      "label.field",
      h("span", t("A text's date is")),
      h(
        "select.input",
        { name: "by", value: Object.hasOwn(options, given("by")) ? given("by") : Object.keys(options)[0] },
        Object.entries(options).map(([value, label]) => h("option", { value }, label)),
      ),
    ),
    date("since", t("The later window begins"), t("in the middle")),
    date("before", t("The earlier one ends"), t("where the later begins")),
    h("button.button.primary", t("Compare")),
  );
  fill(main, form, results, panel.element);
  if (given("by")) return look();
  return fill(
    results,
    empty(
      "drift",
      t("Has something changed?"),
      h("p", t("Texts of two windows of time are compared. A date is 2024-05-31, 2024-05 or 2024.")),
    ),
  );

  async function look() {
    const asked = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
    page.remember(asked);
    fill(results, h("p.muted", t("Comparing the windows… This can take a minute.")));
    try {
      const found = await ask.post("drift", asked);
      fill(results, verdict(found), tests(found), terms(found), examples(found));
    } catch (error) {
      if (error.name !== "AbortError") fill(results, problem(error, t, look));
    }
  }

  function verdict(found) {
    const side = (name, { documents, passages, first, last, drawn }) =>
      h(
        "p",
        h("strong", name),
        " ",
        t.count(documents, "{count} text", "{count} texts"),
        `, ${first} – ${last}`,
        h("span.muted", " · ", t.count(passages, "{count} passage", "{count} passages")),
        drawn < documents && h("span.muted", " · ", t("{drawn} of them drawn at random", { drawn })),
      );
    return h(
      "section.card",
      h("h2", found.drift ? t("Something has changed") : t("No sign of a change")),
      side(t("Before"), found.before),
      side(t("Now"), found.now),
      h(
        "p",
        t("Amount: {amount}. So many texts at least would be of a new kind, if a perfect classifier told them apart.", {
          amount: percentRange(found.amount, t),
        }),
      ),
      h("p.small.muted", t("Ranges are intervals of 95% confidence. Without a change, at most 2% of runs find one.")),
      found.undated > 0 &&
        h("p.small.muted", t.count(found.undated, "{count} text has no date", "{count} texts have no date")),
      found.notes.map((note) => h("p.small.muted", note)),
    );
  }

  function tests({ tests: rows, measures, model, scores }) {
    const told = Object.fromEntries(measures.map((one) => [one.name, one]));
    const shown = (name, value) =>
      name === "unknown" ? percentRange(value, t, 2) : ranged(value, name === "length" ? 0 : 3, t);
    return h(
      "section.card",
      h("h2", t("What was tested")),
      table(
        t("What was tested"),
        ["", t("result"), "p", t("before"), t("now")],
        rows.map(({ name, adjusted, drift }) => [
          t(TESTS[name]),
          drift ? h("span.badge.warn", t("changed")) : t("no sign"),
          adjusted.toFixed(3),
          told[name] ? shown(name, told[name].before) : "",
          told[name] ? shown(name, told[name].now) : "",
        ]),
      ),
      h("p.small.muted", t("p is the chance of so great a difference without a change, over all tests together.")),
      model?.changed &&
        notice(
          "warn",
          t("The model gives other vectors than those stored"),
          model.differing &&
            h(
              "p",
              t("Of {texts} texts that were embedded again, {share} differ.", {
                texts: model.texts,
                share: percentRange(model.differing, t),
              }),
            ),
          model.reason && h("p.muted", model.reason),
        ),
      model?.differing &&
        !model.changed &&
        h(
          "p.small.muted",
          t("The model has not changed: of {texts} texts that were embedded again, {share} differ.", {
            texts: model.texts,
            share: percentRange(model.differing, t),
          }),
        ),
      scores &&
        h(
          "p",
          scores.covered === null
            ? t("Too few pairs to say whether the guarantee of the threshold covers new ones.")
            : scores.covered
              ? t("No sign that the guarantee of the threshold does not cover new pairs.")
              : t("New pairs score otherwise, so the guarantee of the threshold may not cover them."),
          " ",
          h("a", { href: page.address("label") }, t("Label")),
        ),
    );
  }

  function terms({ terms: rows }) {
    if (!rows.length) return null;
    const place = h("div");
    const draw = (count) =>
      fill(
        place,
        table(
          t("Terms that came or went"),
          [t("term"), t("before"), t("now"), t("odds, now to before"), "p", t("such as")],
          rows
            .slice(0, count)
            .map((one) => [
              one.term,
              percentRange(one.share_before, t),
              percentRange(one.share_now, t),
              ranged(one.odds, 2, t),
              one.p.toFixed(3),
              h("span.small.muted", one.examples[0] ?? ""),
            ]),
        ),
        rows.length > count &&
          h("button.button.small", { type: "button", onclick: () => draw(rows.length) }, t("Show all")),
      );
    draw(SHOWN);
    return h("section.card", h("h2", t("Terms that came or went")), place);
  }

  function examples({ documents }) {
    if (!documents.length) return null;
    return h(
      "section.card",
      h("h2", t("Texts that are most unlike the other window")),
      documents.map((one) =>
        h(
          "article",
          h(
            "p.where",
            h(
              "button.title",
              { type: "button", onclick: () => panel.open({ document: one.document, start: 1 }) },
              one.document,
            ),
            h("span", one.late ? t("Now") : t("Before")),
          ),
          h("p.snippet", one.text.replace(/\s+/g, " ").slice(0, 240)),
        ),
      ),
    );
  }
}
