// Embed: texts to vectors, with the tokens that the model sees of each; downloads for a spreadsheet, a program, NumPy.
import { isAbort } from "./api.js";
import { parseTable } from "./csv.js";
import { fill, h, icon } from "./dom.js";
import { draft, keepDraft } from "./memory.js";
import { toCsv, toJson, toNpy } from "./vectors.js";
import { download, empty, notice, problem, segmented } from "./widgets.js";

const BATCH = 64; // texts in one request
const SHOWN = 50; // texts whose tokens are shown
const LONGEST_FILE = 8_000_000; // bytes

export function render(main, api, t, page) {
  let running = null;
  let split = "lines";
  let kind = "passage";
  const area = h("textarea.input", {
    id: "texts",
    rows: 7,
    spellcheck: "false",
    placeholder: t("One text on each line, or drop a CSV or TXT file here"),
    value: draft("texts"),
    oninput: count,
  });
  const counted = h("span.muted.small", { role: "status" });
  const choice = h("div.column-choice", { hidden: true });
  const file = h("input.hidden", {
    type: "file",
    accept: ".csv,.tsv,.txt,.md,text/*",
    tabindex: "-1",
    "aria-label": t("Choose a file"),
    onchange: () => file.files[0] && take(file.files[0]),
  });
  const start = h("button.button.primary", { type: "submit" }, t("Embed"));
  const out = h("section.vectors", { "aria-label": t("Vectors"), "aria-live": "polite" });

  const form = h(
    "form.card.drop",
    {
      onsubmit: (event) => {
        event.preventDefault();
        embed();
      },
      ondragover: (event) => {
        event.preventDefault();
        form.classList.add("over");
      },
      ondragleave: () => form.classList.remove("over"),
      ondrop: (event) => {
        event.preventDefault();
        form.classList.remove("over");
        const [one] = event.dataTransfer.files;
        if (one) take(one);
      },
    },
    h(
      "div.row",
      h("label.label", { for: "texts" }, t("Texts")),
      counted,
      h("button.link.end", { type: "button", onclick: () => file.click() }, icon("file"), t("Choose a file")),
      file,
    ),
    area,
    choice,
    h(
      "div.row",
      segmented(
        t("What is a text"),
        "split",
        { lines: t("Each line is a text"), whole: t("All of it is one text") },
        split,
        (value) => {
          split = value;
          count();
        },
      ),
      segmented(t("Embed as"), "kind", { passage: t("As passages"), query: t("As questions") }, kind, (value) => {
        kind = value;
      }),
      h("span.end", start),
    ),
  );
  main.append(form, out);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      embed();
    }
  });
  page.signal.addEventListener("abort", () => running?.abort());
  showStart();
  count();

  function texts() {
    return split === "whole"
      ? [area.value].filter((text) => text.trim())
      : area.value.split(/\r?\n/).filter((line) => line.trim());
  }

  function count() {
    const number = texts().length;
    fill(counted, number ? t.count(number, "{count} text", "{count} texts") : "");
    start.disabled = !number;
    keepDraft("texts", area.value);
  }

  function showStart() {
    fill(
      out,
      empty(
        "embed",
        t("Texts become vectors"),
        h(
          "p",
          t(
            "Each text becomes a list of numbers that stands for its meaning. Texts that mean the same get similar numbers. Nothing leaves this machine.",
          ),
        ),
      ),
    );
  }

  // -- files ----------------------------------------------------------------------------------------------

  async function take(one) {
    file.value = "";
    choice.hidden = true;
    if (one.size > LONGEST_FILE)
      return page.toast(
        t("{name} is larger than {most} MB. The command line reads files of any size.", {
          name: one.name,
          most: LONGEST_FILE / 1e6,
        }),
        "bad",
      );
    const content = (await one.text()).replace(/^\ufeff/, "");
    if (content.includes("\0")) return page.toast(t("{name} is not text.", { name: one.name }), "bad");
    if (/\.(csv|tsv)$/i.test(one.name))
      return takeTable(parseTable(content, /\.tsv$/i.test(one.name) ? "\t" : ","), one.name);
    area.value = content;
    return count();
  }

  function takeTable([head = [], ...rows], name) {
    const column = (at) => {
      area.value = rows
        .map((row) => (row[at] ?? "").replace(/\s+/g, " ").trim())
        .filter(Boolean)
        .join("\n");
      count();
    };
    const lengths = head.map((_, at) => rows.reduce((sum, row) => sum + (row[at] ?? "").length, 0));
    const longest = lengths.indexOf(Math.max(...lengths));
    fill(
      choice,
      h(
        "label.field",
        h("span", t("Column of {name}", { name })),
        h(
          "select.input",
          { value: String(longest), onchange: (event) => column(Number(event.target.value)) },
          head.map((title, at) => h("option", { value: String(at) }, title || t("Column {at}", { at: at + 1 }))),
        ),
      ),
    );
    choice.hidden = head.length < 2;
    split = "lines";
    form.querySelector("[name=split][value=lines]").checked = true;
    column(Math.max(longest, 0));
  }

  // -- embedding ------------------------------------------------------------------------------------------

  async function embed() {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    const all = texts();
    if (!all.length) return;
    const found = { model: "", dimensions: 0, texts: all, vectors: [], tokens: [] };
    const bar = h("progress", { max: all.length, "aria-label": t("Progress") });
    bar.value = 0;
    fill(
      out,
      h(
        "div.card.progress",
        bar,
        h(
          "div.row",
          h("span.muted", t("Embedding…")),
          h("button.button.small.end", { type: "button", onclick: () => running.abort() }, t("Stop")),
        ),
      ),
    );
    start.disabled = true;
    try {
      for (let at = 0; at < all.length; at += BATCH) {
        const answer = await api.post("embed", { texts: all.slice(at, at + BATCH), kind, tokens: at < SHOWN }, signal);
        found.model = answer.model;
        found.dimensions = answer.dimensions;
        found.vectors.push(...answer.vectors);
        found.tokens.push(...(answer.tokens ?? []));
        bar.value = found.vectors.length;
      }
      showVectors(found);
    } catch (error) {
      if (isAbort(error)) {
        if (!page.signal.aborted && running.signal === signal) showStart();
      } else fill(out, problem(error, t, embed));
    }
    count();
  }

  function showVectors(found) {
    const save = (name, make, type) =>
      h(
        "button.button.small",
        { type: "button", onclick: () => download(name, make(found), type) },
        icon("download"),
        name.split(".").pop().toUpperCase(),
      );
    const unknown = found.tokens.flat().filter((token) => !token.known).length;
    const total = found.tokens.flat().length;
    fill(
      out,
      h(
        "div.row",
        h("h2", t.count(found.vectors.length, "{count} vector", "{count} vectors")),
        h("span.muted", t("{model}, {count} numbers each", { model: found.model, count: found.dimensions })),
        h(
          "span.row.end",
          save("vectors.json", toJson, "application/json"),
          save("vectors.csv", toCsv, "text/csv"),
          save("vectors.npy", toNpy, "application/octet-stream"),
        ),
      ),
      unknown > 0 &&
        notice(
          "warn",
          t("The model does not know {unknown} of {total} tokens", { unknown, total }),
          h(
            "p.small",
            t("They are marked. Where there are many, similarities mean little; a multilingual model may know them."),
          ),
        ),
      h(
        "ol.embedded",
        found.tokens.slice(0, SHOWN).map((tokens, at) =>
          h(
            "li.card",
            strip(found.vectors[at], t),
            tokenLine(tokens),
            h(
              "p.numbers.mono.muted",
              found.vectors[at]
                .slice(0, 6)
                .map((value) => value.toFixed(4))
                .join("  "),
              "  …",
            ),
          ),
        ),
      ),
      found.texts.length > SHOWN &&
        h("p.muted", t("The first {shown} are shown; the downloads have all.", { shown: SHOWN })),
    );
  }

  function tokenLine(tokens) {
    return h(
      "p.tokens",
      { "aria-label": t("Tokens") },
      tokens.map((token) =>
        h(
          `span.token${token.known ? "" : ".unknown"}`,
          token.text,
          !token.known && h("span.hidden", ` (${t("unknown")})`),
        ),
      ),
    );
  }
}

/** Draw a vector as a strip: a bar for each number, up or down from the middle. */
function strip(vector, t) {
  const canvas = h("canvas.strip", {
    width: vector.length * 2,
    height: 56,
    role: "img",
    "aria-label": t("The numbers of the vector as bars"),
  });
  const pen = canvas.getContext("2d");
  const most = Math.max(...vector.map(Math.abs), Number.MIN_VALUE);
  pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent-solid");
  vector.forEach((value, at) => pen.fillRect(at * 2, 28, 1.5, (-value / most) * 27));
  return canvas;
}
