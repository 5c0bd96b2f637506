// For Duplicates and Label: the job that compares texts, and two of them next to each other, the warnings first.
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { progress, sides } from "./widgets.js";

const SAME = 600;  // characters of equal text from which on its middle is folded away
const KEPT = 160;  // characters of it that stay at either end
const MOST = 4;  // differences of a kind that a warning lists
const RULES = {
  number: N("A number differs"), date: N("A date differs"), negation: N("One of them negates"), opposite: N("They say opposites"),
  name: N("A name differs"), roles: N("Who does what differs"), order: N("The order differs"), sign: N("A sign differs"), indentation: N("The indentation differs"),
};

/** Begin or find a job that compares texts, show its progress, and return how it ended. Throws its problem. */
export async function compared(main, api, t, page, begin) {
  const place = h("div.card.dup-search");
  fill(main, place);
  const job = await begin();
  page.remember({ job: job.id });
  if (job.state === "done") return job;
  const shown = (state) => fill(place, h("h2", t("Comparing")), progress(state, t),
    h("div.row", h("button.button.small", { type: "button", onclick: () => api.delete(`jobs/${job.id}`).catch(page.fail) }, t("Cancel"))));
  shown(job);
  return api.follow(job, shown, page.signal);
}

/** The facts for which `dedup` keeps both texts, a line for each kind; null where there are none. */
export function warnings(view, t) {
  const found = new Map();
  for (const { rule, text } of view.warnings) {
    const words = text.includes(": ") ? text.slice(text.indexOf(": ") + 2) : "";
    found.set(rule, (found.get(rule) ?? new Set()).add(words));
  }
  if (!found.size) return null;
  const listed = (texts) => [...texts].slice(0, MOST).join(", ") + (texts.size > MOST ? ` ${t("and {count} more", { count: texts.size - MOST })}` : "");
  return h("ul.pair-warnings", { "aria-label": t("Warnings") },
    [...found].map(([rule, texts]) => h("li", icon("warning"), h("strong", t(RULES[rule] ?? rule)), h("span", listed(texts)))));
}

/** Both texts; `heads` are the elements above them, and `whole` shows equal text that is folded away otherwise. */
export function panes(view, heads, whole, t) {
  const segments = whole ? view.segments : view.segments.map((one) => (one.op === "equal" ? { ...one, a: folded(one.a, t), b: folded(one.b, t) } : one));
  const [a, b] = sides(segments, t);
  const pane = (head, text, name) => {
    Object.assign(text, { tabIndex: 0 });
    text.setAttribute("role", "region");
    text.setAttribute("aria-label", name);
    return h("section.pair-pane", head, text);
  };
  return h("div.pair-panes", pane(heads[0], a, t("Text A")), pane(heads[1], b, t("Text B")));
}

/** Is there equal text to fold away? */
export const folds = (view) => view.segments.some((one) => one.op === "equal" && Math.max(one.a.length, one.b.length) > SAME);

function folded(text, t) {
  if (text.length <= SAME) return text;
  const count = text.length - 2 * KEPT;
  return `${text.slice(0, KEPT)} … ${t("{count} characters are the same", { count })} … ${text.slice(-KEPT)}`;
}

/** What the marks mean. */
export function legend(t) {
  return h("p.pair-legend.small.muted", h("ins.word", t("words differ")), h("ins.number", t("a number or a negation differs")), h("ins.moved", t("moved")));
}
