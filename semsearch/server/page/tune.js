// Choose the threshold on labelled pairs: the precision-recall curve, what is promised, and what it does to this index.
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { empty, notice, problem, progress, segmented } from "./widgets.js";

const BOX = { width: 560, height: 380, left: 48, right: 12, top: 14, bottom: 40 };
const AIMS = { f1: N("Best balance"), precision: N("A precision"), recall: N("A recall") };
const FEW = 20;  // labels below which a curve says little
const ROWS = 24;  // of the table of thresholds

export async function render(main, api, t, page) {
  const [status, jobs] = await Promise.all([page.status(), api.get("jobs", {}, page.signal)]);
  const running = jobs.find((one) => one.kind === "tune" && one.state === "running");
  const last = jobs.findLast((one) => one.kind === "tune" && one.state === "done");
  if (running) return work(main, api, t, page, async () => running);
  return draw(main, api, t, page, status, last);
}

async function work(main, api, t, page, begin) {
  const place = h("div.card.dup-search");
  fill(main, place);
  try {
    const job = await begin();
    const shown = (state) => fill(place, h("h2", t("Measuring")), progress(state, t),
      h("div.row", h("button.button.small", { type: "button", onclick: () => api.delete(`jobs/${job.id}`).catch(page.fail) }, t("Cancel"))));
    shown(job);
    const last = await api.follow(job, shown, page.signal);
    await draw(main, api, t, page, await page.status(true), last.state === "done" ? last : null);
  } catch (error) {
    if (!page.signal.aborted) fill(main, problem(error, t, () => render(main, api, t, page)));
  }
}

async function draw(main, api, t, page, status, job) {
  const tuning = await api.get("tuning", { job: job?.id }, page.signal);
  const given = tuning.labels.yes + tuning.labels.no;
  const form = status.read_only ? notice("info", t("This server is read-only"), h("p", t("A threshold is saved in the index, so it cannot be tuned here.")))
    : aims(given, t, page, (request) => work(main, api, t, page, () => api.post("jobs", { kind: "tune", ...request }, page.signal)));
  const chosen = tuning.threshold?.threshold ?? tuning.usual;
  const result = job?.result;
  const chart = h("div.tune-chart");
  const effect = h("section.card.tune-effect", { "aria-label": t("The effect on this index") });
  fill(main,
    h("div.tune-top", saved(tuning, result, t), form),
    tuning.curve
      ? h("section.card", h("div.row", h("h2", t("Precision and recall")), h("span.muted.small.end", result ? t("on the {count} pairs held out of {name}", { count: result.reported.tp + result.reported.fp + result.reported.fn + result.reported.tn, name: name(result.name, t) }) : t("on your {count} labels", { count: given }))), chart)
      : h("section.card", empty("tune", t("No curve yet"), h("p", given < FEW ? t("Label some pairs, or tune on the sample that comes with semsearch.") : t("None of your labels says that two texts are duplicates.")), h("a.button", { href: page.address("label") }, t("Go to Label")))),
    effect);
  if (tuning.curve) curve(chart, withPoint(tuning.curve, chosen), { threshold: chosen, origin: tuning.threshold ? t("tuned") : t("default") }, t);
  await showEffect(effect, api, t, page, chosen);
}

// -- what is chosen -----------------------------------------------------------------------------------------

function aims(given, t, page, start) {
  const target = h("input.input", { type: "number", name: "target", min: 0.5, max: 0.999, step: 0.005, value: "0.95" });
  const line = h("label.field.tune-target", { hidden: true }, h("span", t("At least")), target);
  const form = h("form.card.tune-form", { onsubmit: (event) => {
    event.preventDefault();
    const { aim, pairs } = Object.fromEntries(new FormData(form));
    start({ sample: pairs === "sample", ...(aim === "f1" ? {} : { [`min_${aim}`]: Number(target.value) }) });
  } },
    h("h2", t("Choose the threshold")),
    h("div.row", segmented(t("Pairs"), "pairs", { labels: t("Your labels ({count})", { count: given }), sample: t("The sample") }, given ? "labels" : "sample", () => {})),
    h("div.row", segmented(t("Guarantee"), "aim", Object.fromEntries(Object.entries(AIMS).map(([key, text]) => [key, t(text)])), "f1", (aim) => { line.hidden = aim === "f1"; }), line),
    h("p.small.muted", t("A guarantee holds with 90% confidence for pairs like these. The figures are measured on pairs that the choice has not seen.")),
    h("div.row", h("button.button.primary", icon("tune"), t("Tune")), given < FEW && h("a.small", { href: page.address("label") }, t("Label more pairs"))));
  return form;
}

function saved(tuning, result, t) {
  const one = tuning.threshold;
  const guarantee = one?.guarantee;
  const promise = guarantee && t("{measure} of at least {least}, with {confidence} confidence", { measure: t(guarantee.measure), least: percent(guarantee.least), confidence: percent(guarantee.confidence) });
  return h("section.card.tune-saved", { "aria-label": t("The threshold") },
    h("h2", one ? t("The tuned threshold") : t("Not tuned yet")),
    h("p.tune-number", number(one?.threshold ?? tuning.usual)),
    h("p.muted.small", one ? t("on {name}, saved {when}", { name: name(one.pairs, t), when: new Date(one.saved).toLocaleDateString(document.documentElement.lang) }) : t("a default: nothing says how good it is for your texts")),
    promise && h("p", h("span.badge.good", t("promised")), " ", promise),
    result && h("dl.tune-figures", [[t("precision"), result.reported.precision], [t("recall"), result.reported.recall], ["F1", result.reported.f1]].map(([name, share]) =>
      h("div", h("dt", name), h("dd", share ? percent(share.value) : "–", share && h("span.muted.small", ` ${percent(share.low)} – ${percent(share.high)}`))))),
    result?.notes.slice(1).map((note) => h("p.small.muted", note)),
    tuning.classifier && h("p.small.muted", t("A classifier is saved too; `dedup --min-precision` uses it.")));
}

async function showEffect(place, api, t, page, chosen) {
  const jobs = (await api.get("jobs", {}, page.signal)).filter((one) => one.kind === "review" && one.state === "done");
  if (!jobs.length) {
    return fill(place, h("div.row", h("div.grow", h("h2", t("The effect on this index")), h("p.muted.small", t("Compare all texts once to see what each threshold takes."))), h("a.button", { href: page.address("duplicates") }, t("Find near-duplicates"))));
  }
  const { steps } = await api.get("groups/sizes", { job: jobs.at(-1).id }, page.signal);
  const at = steps.find((one) => one.threshold >= chosen - 1e-9) ?? steps.at(-1);
  if (chosen < steps[0].threshold - 1e-9) return fill(place, h("div.row", h("div.grow", h("h2", t("The effect on this index")), h("p.muted.small", t("The last comparison starts at {lowest}: compare again to see what this threshold takes.", { lowest: number(steps[0].threshold) }))), h("a.button", { href: page.address("duplicates", { job: "" }) }, t("Find near-duplicates"))));
  return fill(place, h("div.row", h("div.grow", h("h2", t("The effect on this index")),
    h("p", t("From {threshold} up, {groups} groups have {duplicates} texts that repeat another.", { threshold: number(at.threshold), groups: at.groups, duplicates: at.duplicates }))),
  h("a.button", { href: page.address("duplicates", { job: jobs.at(-1).id, threshold: at.threshold }) }, icon("duplicates"), t("Review them"))));
}

// -- the curve ----------------------------------------------------------------------------------------------

/** The curve with a point at a threshold, which finds the same pairs as the next higher threshold that is a point. */
function withPoint({ thresholds, precision, recall }, threshold) {
  const at = thresholds.findLastIndex((one) => one >= threshold);
  if (at < 0 || thresholds[at] === threshold) return { thresholds, precision, recall };
  const put = (values, value) => [...values.slice(0, at + 1), value, ...values.slice(at + 1)];
  return { thresholds: put(thresholds, threshold), precision: put(precision, precision[at]), recall: put(recall, recall[at]) };
}

function curve(place, { thresholds, precision, recall }, chosen, t) {
  const { width, height, left, right, top, bottom } = BOX;
  const x = (value) => left + value * (width - left - right);
  const y = (value) => height - bottom - value * (height - top - bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const last = thresholds.indexOf(chosen.threshold);  // absent where no pair is that similar
  let at = Math.max(0, last);
  const line = recall.map((one, i) => `${i ? "L" : "M"}${x(one).toFixed(1)},${y(precision[i]).toFixed(1)}`).join("");
  const dot = svg("circle", { r: 6, class: "dot" });
  const chosenDot = last >= 0 && svg("circle", { r: 4.5, class: "chosen", cx: x(recall[last]), cy: y(precision[last]) });
  const said = h("output.tune-said");
  const slider = h("input", { type: "range", min: 0, max: thresholds.length - 1, value: String(thresholds.length - 1 - at), "aria-label": t("Threshold on the curve"), oninput: () => move(thresholds.length - 1 - Number(slider.value)) });
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("Precision against recall for {count} thresholds; the table below has the figures.", { count: thresholds.length }) },
    ticks.flatMap((one) => [
      svg("line", { class: "grid", x1: x(0), x2: x(1), y1: y(one), y2: y(one) }), svg("line", { class: "grid", x1: x(one), x2: x(one), y1: y(0), y2: y(1) }),
      svg("text", { x: x(0) - 8, y: y(one) + 4, "text-anchor": "end" }, percent(one)), svg("text", { x: x(one), y: y(0) + 18, "text-anchor": one === 1 ? "end" : "middle" }, percent(one))]),
    svg("text", { class: "axis", x: x(1), y: height - 4, "text-anchor": "end" }, t("recall")),
    svg("text", { class: "axis", x: x(0) + 6, y: y(1) + 14 }, t("precision")),
    svg("path", { class: "curve", d: line }), chosenDot, dot);
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const wanted = ((event.clientX - box.left) / box.width * width - left) / (width - left - right);
    move(recall.reduce((best, one, i) => (Math.abs(one - wanted) < Math.abs(recall[best] - wanted) ? i : best), 0));
  });
  fill(place, picture, h("div.tune-slide", said, slider, h("div.row.small.muted", h("span", t("low threshold")), h("span.end", t("high threshold")))), table(thresholds, precision, recall, t));
  move(at);

  function move(to) {
    at = to;
    slider.value = String(thresholds.length - 1 - at);
    dot.setAttribute("cx", x(recall[at]));
    dot.setAttribute("cy", y(precision[at]));
    const threshold = at === last ? t("{threshold} ({origin})", { threshold: number(thresholds[at]), origin: chosen.origin }) : number(thresholds[at]);
    const text = t("From {threshold} up: {precision} of the pairs found are duplicates, and {recall} of the duplicates are found.", { threshold, precision: percent(precision[at]), recall: percent(recall[at]) });
    fill(said, text);
    slider.setAttribute("aria-valuetext", text);
  }
}

/** The curve as a table: about two dozen of its thresholds. */
function table(thresholds, precision, recall, t) {
  const step = Math.max(1, Math.ceil(thresholds.length / ROWS));
  const rows = thresholds.map((_, at) => at).filter((at) => at % step === 0 || at === thresholds.length - 1);
  return h("details", h("summary", t("The curve as a table")), h("div.scroll", { tabindex: "0", role: "region", "aria-label": t("The curve as a table") }, h("table",
    h("thead", h("tr", [t("threshold"), t("precision"), t("recall")].map((one) => h("th", { scope: "col" }, one)))),
    h("tbody", rows.map((at) => h("tr", h("td", number(thresholds[at])), h("td", percent(precision[at])), h("td", percent(recall[at]))))))));
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.flat().filter(Boolean));
  return element;
}

const number = (value) => value.toFixed(4).replace(/0{1,2}$/, "");
const percent = (value) => `${(100 * value).toFixed(value > 0.99 && value < 1 ? 1 : 0)}%`;
const name = (pairs, t) => (pairs === "sample" ? t("the sample") : /labels\.csv$/.test(pairs) ? t("your labels") : pairs);
