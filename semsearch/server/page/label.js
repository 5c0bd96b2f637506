// Label pairs of texts as duplicates or not, one at a time. Every answer is on the disk before the next pair comes.
import { fill, h, icon } from "./dom.js";
import { compared, folds, legend, panes, warnings } from "./pair.js";
import { addFirst, empty, notice, problem, segmented } from "./widgets.js";

const GOAL = 150;  // labels that are worth tuning on
const ANSWERS = { yes: "y", no: "n", skip: "s" };

export async function render(main, api, t, page) {
  const { read_only: readOnly, counts } = await page.status();
  if (readOnly) return fill(main, notice("info", t("This server is read-only"), h("p", t("Labels are written into the index, so they cannot be given here."))));
  if (counts.documents < 2) return fill(main, addFirst("label", t("There is nothing to pair yet"), t, page));
  const jobs = (await api.get("jobs", {}, page.signal)).filter((one) => one.kind === "label" && ["running", "done"].includes(one.state));
  const job = jobs.find((one) => one.id === page.params.get("job")) ?? jobs.at(-1);
  return job ? sample(main, api, t, page, async () => job) : welcome(main, api, t, page);
}

async function welcome(main, api, t, page) {
  const { labels } = await api.get("tuning", {}, page.signal);
  const form = h("form.card.dup-start", { onsubmit: (event) => {
    event.preventDefault();
    const { level } = Object.fromEntries(new FormData(form));
    sample(main, api, t, page, () => api.post("jobs", { kind: "label", level }, page.signal));
  } },
    h("h2", t("Which pairs are duplicates?")),
    h("p.muted", t("You see two texts and say yes or no. The first pairs come from all similarities, the others from where a guarantee of precision needs them; their similarity stays hidden, so it does not influence you. From your labels, Tune measures each threshold for your own texts.")),
    segmented(t("Pair"), "level", { document: t("Documents"), passage: t("Passages") }, "document", () => {}),
    labels.yes + labels.no > 0 && h("p", t.count(labels.yes + labels.no, "{count} label so far", "{count} labels so far")),
    h("div.row", h("button.button.primary", icon("label"), t("Start labelling"))));
  return fill(main, form);
}

async function sample(main, api, t, page, begin) {
  try {
    const last = await compared(main, api, t, page, begin);
    if (last.state === "cancelled") return await welcome(main, api, t, page);
    return await ask(main, api, t, page, last);
  } catch (error) {
    if (!page.signal.aborted) fill(main, problem(error, t, () => welcome(main, api, t, page)));
  }
}

async function ask(main, api, t, page, job) {
  const bar = h("div.card.label-bar");
  const pane = h("section.dup-pane.label-pane", { "aria-label": t("Pair") });
  const state = { pair: null, busy: true, whole: false };
  fill(main, bar, pane);
  page.keys([
    { keys: ["y"], does: "Yes, duplicates", run: () => answer("yes") },
    { keys: ["n"], does: "No", run: () => answer("no") },
    { keys: ["s"], does: "Skip", run: () => answer("skip") },
    { keys: ["u", "Backspace"], does: "Back: take the last answer back", run: () => back() },
    { keys: ["f"], does: "Show or fold equal text", run: () => { state.whole = !state.whole; draw(); } },
  ]);
  await next();

  async function next() {
    const told = await api.get("labels/next", { job: job.id }, page.signal);
    Object.assign(state, { told, pair: told.pair, busy: false, whole: false });
    draw();
  }

  async function answer(label) {
    if (!state.pair || state.busy) return;
    state.busy = true;  // a key pressed early must not answer for a pair before it is shown
    try {
      await api.post("labels", { job: job.id, left: state.pair.left, right: state.pair.right, label }, page.signal);
      await next();
    } catch (error) {
      state.busy = false;
      page.fail(error);
    }
  }

  async function back() {
    if (state.busy) return;
    state.busy = true;
    try {
      const { undone } = await api.post("labels/undo", undefined, page.signal);
      if (!undone) page.toast(t("There is nothing to take back"));
      await next();
    } catch (error) {
      state.busy = false;
      page.fail(error);
    }
  }

  function draw() {
    const { told, pair } = state;
    const given = told.yes + told.no;
    const most = Math.max(GOAL, given);
    const meter = h("progress", { max: most, value: String(given), "aria-label": t("Labels") });
    meter.value = given;
    fill(bar,
      h("div.grow", h("strong", t("{given} of {goal} labels", { given, goal: most })),
        h("span.muted", " · ", t("{yes} duplicates, {no} not, {skip} skipped", told)), meter,
        h("p.small.muted", told.guarantee ? t("Guaranteed so far: a precision of {share}, for a part of the duplicates.", { share: told.guarantee.target })
          : told.needed ? t("About {needed} more labels may guarantee a precision.", { needed: told.needed }) : t("Nothing is guaranteed yet."))),
      h("a.button", { class: given >= GOAL ? "button primary" : "button", href: page.address("tune") }, icon("tune"), t("Tune")));
    if (!pair) return fill(pane, empty("label", t("No pairs are left to label"), h("p", t("All pairs of this index that are similar enough have an answer.")), h("a.button.primary", { href: page.address("tune") }, t("Go to Tune"))));
    const head = (letter, name) => h("header", h("span.pair-letter", { "aria-hidden": "true" }, letter), h("span.pair-name", { title: name }, name));
    const act = (label, text, kind = "") => h(`button.button${kind}`, { type: "button", onclick: () => answer(label) }, text, h("kbd", ANSWERS[label]));
    return fill(pane,
      h("header.dup-head", h("h2", t("Do these two say the same?"))),
      h("div.dup-actions", { role: "group", "aria-label": t("Answer") },
        act("yes", t("Yes, duplicates"), ".primary"), act("no", t("No"), ".primary"), act("skip", t("Skip")),
        h("button.button.end", { type: "button", onclick: () => back() }, t("Back"), h("kbd", "u"))),
      warnings(pair, t),
      panes(pair, [head("A", pair.left), head("B", pair.right)], state.whole, t),
      h("div.row.small", legend(t), folds(pair) && h("button.button.small.end", { type: "button", onclick: () => { state.whole = !state.whole; draw(); } },
        state.whole ? t("Fold equal text") : t("Show all text"), h("kbd", "f"))),
      pair.cut && h("p.small.muted", t("These texts are long: their beginnings are compared.")));
  }
}
