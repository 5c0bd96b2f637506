// Compare: two texts with what the verifier thinks of them, or up to fifty lines with each other.
import { isAbort } from "./api.js";
import { fill, h } from "./dom.js";
import { N } from "./i18n.js";
import { draft, keepDraft } from "./memory.js";
import { empty, meter, notice, problem, segmented, sides } from "./widgets.js";

const PAUSE = 350; // milliseconds without a key after which texts are compared
const MOST = 50;
const NUMBERED = 12; // up to this many lines, the cells of the matrix show their numbers
const CLOSEST = 5;

export function render(main, api, t, page) {
  const ask = api.latest(page.signal);
  let timer = 0;
  let way = page.params.get("way") === "matrix" ? "matrix" : "two";
  const inputs = h("form.inputs", { onsubmit: (event) => event.preventDefault() });
  const out = h("section.compared", { "aria-label": t("Result"), "aria-live": "polite" });
  main.append(
    segmented(t("What to compare"), "way", { two: t("Two texts"), matrix: t("Many lines") }, way, choose),
    inputs,
    out,
  );
  draw();

  function draw() {
    ask.stop();
    clearTimeout(timer);
    if (way === "two") drawTwo();
    else drawMany();
  }

  function choose(next) {
    way = next;
    page.remember(way === "matrix" ? { way } : {});
    draw();
  }

  function later(run) {
    clearTimeout(timer);
    timer = setTimeout(run, PAUSE);
  }

  async function answer(question, show) {
    out.setAttribute("aria-busy", "true");
    try {
      show(await question());
    } catch (error) {
      if (isAbort(error)) return;
      fill(
        out,
        problem(error, t, () => answer(question, show)),
      );
    }
    out.removeAttribute("aria-busy");
  }

  // -- two texts ------------------------------------------------------------------------------------------

  function drawTwo() {
    const area = (label, value) =>
      h("textarea.input", { rows: 5, "aria-label": label, placeholder: label, value, oninput: () => later(compare) });
    const [a, b] = [area(t("First text"), draft("a")), area(t("Second text"), draft("b"))];
    fill(inputs, h("div.pair", a, b));
    const start = () =>
      fill(
        out,
        empty(
          "compare",
          t("Do two texts say the same?"),
          h(
            "p",
            t(
              "Type or paste both. You see how close they are, whether they count as near-duplicates and why, and the words that differ.",
            ),
          ),
        ),
      );

    function compare() {
      keepDraft("a", a.value);
      keepDraft("b", b.value);
      if (!a.value.trim() || !b.value.trim()) {
        ask.stop();
        return start();
      }
      return answer(() => ask.post("compare", { a_text: a.value, b_text: b.value }), showTwo);
    }
    compare();
  }

  function showTwo(found) {
    const [left, right] = sides(found.segments, t);
    fill(
      out,
      h(
        "div.card.verdict",
        h(
          "div.score",
          h("span.big", found.similarity.toFixed(3)),
          meter(found.similarity, t("Similarity {score}", { score: found.similarity.toFixed(3) })),
          h("span.muted.small", t("cosine; the threshold is {threshold}", { threshold: found.threshold })),
        ),
        h(
          "div.says",
          verdict(found),
          h(
            "p.muted.small",
            t("{shared} words are shared, of {a} and {b}; word triples overlap by {jaccard}", {
              shared: found.shared_words,
              a: found.a.words,
              b: found.b.words,
              jaccard: found.jaccard.toFixed(2),
            }),
          ),
        ),
      ),
      h(
        "div.pair",
        h("figure.card", h("figcaption.label", t("First text")), left),
        h("figure.card", h("figcaption.label", t("Second text")), right),
      ),
    );
  }

  function verdict({ tier, differs, similarity, threshold }) {
    if (differs) return h("p", h("span.badge.bad", t("Not a duplicate")), " ", differs);
    if (tier) return h("p", h("span.badge.good", t("Near-duplicate")), " ", t(TIERS[tier]));
    return h(
      "p",
      h("span.badge", t("Not a duplicate")),
      " ",
      similarity < threshold
        ? t("The two are less similar than the threshold asks for.")
        : t("The model does not know enough of their words."),
    );
  }

  // -- many lines -----------------------------------------------------------------------------------------

  function drawMany() {
    const area = h("textarea.input", {
      rows: 7,
      "aria-label": t("Lines"),
      placeholder: t("Up to {most} lines, each a text", { most: MOST }),
      value: draft("lines"),
      oninput: () => later(compare),
    });
    fill(inputs, area);
    const start = (...children) =>
      fill(
        out,
        ...children,
        empty(
          "embed",
          t("Which of many lines are alike?"),
          h(
            "p",
            t(
              "Paste up to {most} lines. The table shows how similar each is to each, and the closest pairs below it.",
              { most: MOST },
            ),
          ),
        ),
      );

    function compare() {
      keepDraft("lines", area.value);
      const texts = area.value.split(/\r?\n/).filter((line) => line.trim());
      if (texts.length < 2) {
        ask.stop();
        return start();
      }
      if (texts.length > MOST) {
        ask.stop();
        return start(
          notice(
            "warn",
            t("These are {count} lines; at most {most} are compared", { count: texts.length, most: MOST }),
          ),
        );
      }
      return answer(
        () => ask.post("matrix", { texts }),
        ({ similarities }) => showMany(texts, similarities),
      );
    }
    compare();
  }

  function compareTwo(a, b) {
    keepDraft("a", a);
    keepDraft("b", b);
    main.querySelector("[name=way][value=two]").checked = true;
    choose("two");
  }

  function showMany(texts, similarities) {
    const pairs = texts
      .flatMap((_, row) => texts.slice(0, row).map((__, column) => [similarities[row][column], column, row]))
      .sort(([a], [b]) => b - a);
    const shows = texts.length <= NUMBERED;
    const hover = h("p.muted.small.hovered", { "aria-hidden": "true" }, "\u00a0");
    const cell = (value, row, column) =>
      h(
        "td",
        { style: { "--heat": Math.max(0, Math.min(1, value)) }, data: { row, column } },
        h(shows ? "span" : "span.hidden", value.toFixed(2)),
      );
    const table = h(
      `table.matrix${shows ? "" : ".small"}`,
      {
        onpointerover: (event) => {
          const { row, column } = event.target.closest("td")?.dataset ?? {};
          fill(
            hover,
            row === undefined
              ? "\u00a0"
              : `${similarities[row][column].toFixed(3)}  ${short(texts[row])} · ${short(texts[column])}`,
          );
        },
      },
      h("caption.hidden", t("The cosine of each line with each")),
      h(
        "thead",
        h(
          "tr",
          h("td"),
          texts.map((text, at) => h("th", { scope: "col", title: text }, String(at + 1))),
        ),
      ),
      h(
        "tbody",
        texts.map((text, row) =>
          h(
            "tr",
            h("th", { scope: "row", title: text }, h("span.number", String(row + 1)), shows && h("span.line", text)),
            similarities[row].map((value, column) => cell(value, row, column)),
          ),
        ),
      ),
    );
    fill(
      out,
      h(
        "div.card.scroll",
        { tabindex: "0", role: "group", "aria-label": t("The cosine of each line with each") },
        table,
      ),
      hover,
      h("h2", t("The closest pairs")),
      h(
        "ol.closest",
        pairs
          .slice(0, CLOSEST)
          .map(([value, a, b]) =>
            h(
              "li.card",
              meter(value, t("Similarity {score}", { score: value.toFixed(2) })),
              h("span.number", value.toFixed(3)),
              h("div.grow", h("p.text", texts[a]), h("p.text", texts[b])),
              h("button.button.small", { type: "button", onclick: () => compareTwo(texts[a], texts[b]) }, t("Compare")),
            ),
          ),
      ),
    );
  }
}

const TIERS = {
  exact: N("The two are equal after cleaning."),
  lexical: N("Most of their words are the same, in the same order."),
  semantic: N("They say the same in other words."),
};
const short = (text) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
