// Parts that more than one view shows. Each returns an element.
import { h, icon } from "./dom.js";
import { N } from "./i18n.js";

/** A remark: kind is "info", "warn", "bad" or "good". */
export function notice(kind, title, ...children) {
  return h(
    `div.notice.${kind}`,
    { role: kind === "bad" ? "alert" : null },
    kind !== "good" && icon("warning"),
    h("div", h("strong", title), ...children),
  );
}

/** An error with its hint, and a button to try again where that makes sense. */
export function problem(error, t, retry) {
  const title = error.title ? t(error.title) : t("That did not work");
  return notice(
    "bad",
    title,
    error.message !== error.title && h("p", error.message),
    error.hint && h("p.muted", t(error.hint)),
    retry && h("button.button", { type: "button", onclick: retry }, t("Try again")),
  );
}

/** What a place without content says: what to do. */
export function empty(name, title, ...children) {
  return h("div.empty", icon(name), h("h2", title), ...children);
}

/** What a view shows while the index has too few texts for it. */
export function addFirst(name, title, t, page) {
  return empty(
    name,
    title,
    h("p", t("Add a folder first.")),
    h("a.button", { href: page.address("index") }, t("Go to Index")),
  );
}

/** A choice of one among a few: options is {value: label}. */
export function segmented(legend, name, options, chosen, changed) {
  return h(
    "fieldset.segmented",
    h("legend.hidden", legend),
    Object.entries(options).map(([value, label]) =>
      h(
        "label",
        h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => changed(value) }),
        h("span", label),
      ),
    ),
  );
}

/** A share in [0, 1] as a bar with its label; the label is what a screen reader says. */
export function meter(share, label, kind = "") {
  return h(`span.meter${kind && `.${kind}`}`, {
    role: "img",
    "aria-label": label,
    style: { "--share": Math.max(0, Math.min(1, share)) },
  });
}

/** A figure with the ends of its range or interval, such as "0.81 (0.76 to 0.86)". */
export function ranged({ value, low, high }, digits, t, unit = "", signed = false) {
  const shown = (number) => (signed && number > 0 ? "+" : "") + number.toFixed(digits) + unit;
  return t("{value} ({low} to {high})", { value: shown(value), low: shown(low), high: shown(high) });
}

/** A share with the ends of its range or interval, in percent. */
export const percentRange = ({ value, low, high }, t, digits = 1) =>
  ranged({ value: 100 * value, low: 100 * low, high: 100 * high }, digits, t, "%");

/** A table that scrolls by itself where the screen is narrow; cells are texts or elements. */
export function table(label, head, rows) {
  return h(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      h("thead", h("tr", head.map((cell) => h("th", { scope: "col" }, cell)))),
      h("tbody", rows.map((row) => h("tr", row.map((cell) => h("td", cell))))),
    ),
  );
}

/** Where a passage is in its file: "lines 3–9", "page 2", "0:01:05–0:01:09". */
export function place({ unit, start, end }, t) {
  const [first, last] = unit === "second" ? [clock(start), clock(end)] : [start, end];
  const [one, many] = PLACES[unit] ?? PLACES.second;
  return start === end ? t(one, { first: String(first) }) : t(many, { first: String(first), last: String(last) });
}

const PLACES = {
  line: [N("line {first}"), N("lines {first}–{last}")],
  page: [N("page {first}"), N("pages {first}–{last}")],
  row: [N("row {first}"), N("rows {first}–{last}")],
  paragraph: [N("paragraph {first}"), N("paragraphs {first}–{last}")],
  slide: [N("slide {first}"), N("slides {first}–{last}")],
  chapter: [N("chapter {first}"), N("chapters {first}–{last}")],
  cell: [N("cell {first}"), N("cells {first}–{last}")],
  message: [N("message {first}"), N("messages {first}–{last}")],
  second: ["{first}", "{first}–{last}"],
};
const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

/** The segments of a comparison as two texts, in which the words that differ are marked by their kind. */
export function sides(segments, t) {
  const marked = (tag, { kind }, text) => {
    const words = text.trimEnd();
    return [
      words && h(`${tag}.${kind || "word"}`, { title: t(KINDS[kind] ?? KINDS.word) }, words),
      text.slice(words.length),
    ];
  };
  const side = (own, tag) =>
    segments.map((segment) => (segment.op === "equal" ? segment[own] : marked(tag, segment, segment[own])));
  return [h("div.text", side("a", "del")), h("div.text", side("b", "ins"))];
}

const KINDS = {
  word: N("words differ"),
  number: N("a number differs"),
  negation: N("one of them negates"),
  moved: N("moved"),
};

/** How far a job is: a bar and a sentence. */
export function progress({ progress: { done, total, unit } }, t) {
  const bar = h("progress", { max: total || 1, "aria-label": t("Progress") });
  if (total) bar.value = done;
  const shown = unit === "bytes" ? size : (count) => count;
  const sentence = t("{done} of {total}", { done: shown(done), total: shown(total) });
  return h("div.progress", bar, h("span.muted", total ? sentence : t("Starting…")));
}

/** Bytes in kB, MB or GB, with one decimal. */
export function size(bytes) {
  const [unit, of] = SIZES.find(([, least]) => bytes >= least) ?? SIZES.at(-1);
  return `${(bytes / of).toFixed(1)} ${unit}`;
}

const SIZES = [
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
];

/** Let the browser save a file. Content is text or bytes. */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
