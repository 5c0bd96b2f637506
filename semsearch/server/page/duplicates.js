// Review near-duplicates: groups on the left, two texts on the right, a verdict by one key, and a plan at the end.
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { compared, folds, legend, panes, warnings } from "./pair.js";
import { addFirst, download, empty, notice, problem, segmented } from "./widgets.js";

const CHANGED = 422;  // the status of an answer that the index has changed
const PAGE = 50;  // groups that are asked for at a time
const ORDERS = { doubt: N("Doubtful first"), size: N("Largest first"), similarity: N("Most similar first") };
const STATES = { open: N("To do"), decided: N("Decided"), all: N("All") };
const TIERS = [N("exact"), N("lexical"), N("semantic")];
const VERDICTS = { remove: N("goes"), both: N("both stay"), different: N("not a duplicate") };

export async function render(main, api, t, page) {
  const jobs = await api.get("jobs", {}, page.signal);
  const known = jobs.filter((one) => one.kind === "review" && ["running", "done"].includes(one.state));
  const job = page.params.get("job") === "" ? null : known.find((one) => one.id === page.params.get("job")) ?? known.at(-1);
  const start = (request = {}) => search(main, api, t, page, () => api.post("jobs", { kind: "review", ...request }, page.signal), start);
  if (!job) return welcome(main, t, page, start);
  if (job.state === "running") return search(main, api, t, page, async () => job, start);
  return new Review(main, api, t, page, job, start).open();
}

async function welcome(main, t, page, start) {
  const { read_only: readOnly, counts } = await page.status();
  if (!counts.documents) {
    return fill(main, addFirst("duplicates", t("The index is empty"), t, page));
  }
  const form = h("form.dup-start.card", { onsubmit: (event) => {
    event.preventDefault();
    const { level, differing } = Object.fromEntries(new FormData(form));
    start({ level, differing: differing === "on" });
  } },
    h("h2", t("Find near-duplicates")),
    h("p.muted", t("Every pair is compared once. Then you choose the threshold, look at each group, and decide what stays. No file changes before you apply the plan, and that can be undone.")),
    segmented(t("Compare"), "level", { document: t("Documents"), passage: t("Passages") }, "document", () => {}),
    h("label.check", h("input", { type: "checkbox", name: "differing" }), h("span", t("Also show texts that differ in a fact, such as a number, a negation or who does what"))),
    h("div.row", h("button.button.primary", { disabled: readOnly }, icon("duplicates"), t("Find near-duplicates"))));
  return fill(main, readOnly && notice("info", t("This server is read-only"), h("p", t("A search for near-duplicates keeps its comparisons in the index, so it cannot run here."))), form);
}

async function search(main, api, t, page, begin, start) {
  try {
    const last = await compared(main, api, t, page, begin);
    if (last.state === "cancelled") return await welcome(main, t, page, start);
    return await new Review(main, api, t, page, last, start, true).open();
  } catch (error) {
    if (!page.signal.aborted) fill(main, problem(error, t, () => start()));
  }
}

class Review {
  constructor(main, api, t, page, job, start, fresh = false) {
    Object.assign(this, { main, api, t, page, job, start, fresh });
    this.order = page.params.get("order") ?? "doubt";
    this.tier = page.params.get("tier") ?? "";
    this.state = page.params.get("state") ?? "open";
    this.threshold = Number(page.params.get("threshold")) || null;
    this.groups = [];
    this.at = 0;
    this.member = 0;
    this.whole = false;
    this.done = [];  // verdicts of this page, to take back
    this.asked = api.latest(page.signal);
  }

  async open() {
    const { t, page } = this;
    [this.status, this.sizes, this.runs] = await Promise.all([
      page.status(), this.api.get("groups/sizes", { job: this.job.id }, page.signal), this.api.get("runs", {}, page.signal)]);
    this.threshold ??= this.sizes.usual;
    this.top = h("div.dup-top");
    this.tools = h("div.row.dup-tools");
    this.list = h("ol.dup-list", { "aria-label": t("Groups") });
    this.more = h("div");
    this.pane = h("section.dup-pane", { "aria-label": t("Group") });
    this.foot = h("div.dup-foot.card");
    fill(this.main, this.top, this.tools, h("div.dup-body", h("div.dup-side", this.list, this.more), this.pane), this.foot);
    page.keys([
      { keys: ["1", "ArrowLeft"], does: "Keep text A", run: () => this.verdict("a") },
      { keys: ["2", "ArrowRight"], does: "Keep text B", run: () => this.verdict("b") },
      { keys: ["3", "b"], does: "Keep both", run: () => this.verdict("both") },
      { keys: ["4", "x"], does: "Not a duplicate", run: () => this.verdict("different") },
      { keys: ["j", "ArrowDown", "n"], does: "Next", run: () => this.step(1) },
      { keys: ["k", "ArrowUp", "p"], does: "Previous", run: () => this.step(-1) },
      { keys: ["u"], does: "Take the last verdict back", run: () => this.undo() },
      { keys: ["f"], does: "Show or fold equal text", run: () => { this.whole = !this.whole; this.showPair(); } },
    ]);
    this.drawTop();
    await this.load();
  }

  // -- the threshold --------------------------------------------------------------------------------------

  drawTop() {
    const { t, sizes } = this;
    const { steps } = sizes;
    const nearest = steps.reduce((best, one, at) => (Math.abs(one.threshold - this.threshold) < Math.abs(steps[best].threshold - this.threshold) ? at : best), 0);
    const origin = (threshold) => (threshold === sizes.saved?.threshold ? t("tuned") : threshold === sizes.usual && !sizes.saved ? t("default") : "");
    const figures = h("div.dup-figures", { "aria-live": "polite" });
    const tell = (at) => {
      const { threshold, groups, duplicates, precision } = steps[at];
      const figure = (value, name, small = "") => h("div.figure", h("strong", value), h("span", name), small && h("span.muted.small", small));
      fill(figures,
        figure(number(threshold), t("threshold"), origin(threshold)),
        figure(groups.toLocaleString(), t("groups")),
        figure(duplicates.toLocaleString(), this.job.result.level === "passage" ? t("repeated passages") : t("repeated documents")),
        precision ? figure(percent(precision.value), t("precision by your labels"), `${percent(precision.low)} – ${percent(precision.high)}`)
          : h("div.figure.none", h("a", { href: this.page.address("label") }, t("Label pairs")), h("span", t("to measure the precision"))));
    };
    const slider = h("input", {
      type: "range", min: 0, max: steps.length - 1, step: 1, value: String(nearest), disabled: steps.length < 2, "aria-label": t("Threshold"),
      oninput: () => { tell(Number(slider.value)); slider.setAttribute("aria-valuetext", number(steps[slider.value].threshold)); },
      onchange: () => { this.threshold = steps[slider.value].threshold; this.load(); },
    });
    slider.value = String(nearest);
    slider.setAttribute("aria-valuetext", number(steps[nearest].threshold));
    tell(nearest);
    fill(this.top, h("div.card.dup-threshold", figures, h("div.dup-slider", this.bars(), slider,
      h("div.row.small.muted", h("span", t("more, less alike")), h("span.end", t("fewer, more alike"))))));
  }

  /** How many documents each threshold takes, as bars above the slider. */
  bars() {
    const most = Math.max(1, ...this.sizes.steps.map((one) => one.duplicates));
    return h("div.dup-bars", { "aria-hidden": "true" }, this.sizes.steps.map((one) => h("i", { style: { "--share": one.duplicates / most } })));
  }

  // -- the groups -----------------------------------------------------------------------------------------

  ask(offset, limit = PAGE) {
    const { job, threshold, order, tier, state } = this;
    return this.asked.get("groups", { job: job.id, threshold, order, tier, state, offset, limit });
  }

  async load() {
    const { page } = this;
    page.remember({ job: this.job.id, threshold: this.threshold, order: this.order, tier: this.tier, state: this.state });
    try {
      this.answer = await this.ask(0);
    } catch (error) {
      if (page.signal.aborted || error.name === "AbortError") return undefined;
      if (error.status === CHANGED && !this.fresh && !this.status.read_only) return this.again();  // verdicts are kept
      return fill(this.main, problem(error, this.t, () => this.again()));
    }
    this.groups = this.answer.groups;
    this.at = 0;
    this.drawTools();
    this.drawList();
    this.drawFoot();
    return this.open_member();
  }

  /** Search again as before. */
  again(options = {}) {
    return this.start({ level: this.job.result.level, ...options });
  }

  async loadMore() {
    try {
      const open = this.state === "all" ? this.groups.length : this.groups.filter((one) => one.decided === (this.state === "decided")).length;
      const next = await this.ask(open);
      const shown = new Set(this.groups.map((one) => one.keeper));
      this.groups.push(...next.groups.filter((one) => !shown.has(one.keeper)));
      this.answer.matching = this.groups.length + Math.max(0, next.matching - open - next.groups.length);
      this.drawList();
    } catch (error) {
      this.page.fail(error);
    }
  }

  drawTools() {
    const { t, answer } = this;
    const choose = (name) => (value) => { this[name] = value; this.load(); };
    const translated = (table) => Object.fromEntries(Object.entries(table).map(([key, text]) => [key, t(text)]));
    fill(this.tools,
      segmented(t("Show"), "state", translated(STATES), this.state, choose("state")),
      h("div.row.dup-tiers", { role: "group", "aria-label": t("Tier") }, ["", ...TIERS].map((tier) =>
        h("button.chip", { type: "button", "aria-pressed": String(this.tier === tier), onclick: () => choose("tier")(tier) },
          tier ? t(tier) : t("All tiers"), h("span.count", (tier ? answer.tiers[tier] : answer.total).toLocaleString())))),
      h("label.dup-order", h("span.hidden", t("Order")), h("select.input", { value: this.order, onchange: (event) => choose("order")(event.target.value) },
        Object.entries(translated(ORDERS)).map(([value, label]) => h("option", { value }, label)))),
      this.acceptable() && h("button.button.small.end", { type: "button", onclick: () => this.accept() }, t("Accept all exact copies")));
  }

  acceptable() {
    return !this.status.read_only && this.answer.tiers.exact > 0 && this.answer.decided < this.answer.total;
  }

  drawList() {
    const { t } = this;
    if (!this.groups.length) {
      fill(this.list);
      fill(this.more);
      return;
    }
    fill(this.list, this.groups.map((group, at) => {
      const tiers = [...new Set(group.members.map((one) => one.tier))];
      const doubt = group.members.some((one) => one.differs);
      return h("li", h("button.dup-item", { type: "button", "aria-current": at === this.at ? "true" : null, onclick: () => { this.at = at; this.open_member(); } },
        h("span.dup-name", short(group.keeper)),
        h("span.dup-about.small.muted", t.count(group.members.length + 1, "{count} text", "{count} texts"), " · ", number(group.weakest)),
        h("span.dup-marks", doubt && h("span.badge.bad", t("facts differ")), tiers.map((tier) => h(`span.badge.${TONES[tier]}`, t(tier))), group.decided && h("span.badge.good", "✓", h("span.hidden", t("decided"))))));
    }));
    const left = this.answer.matching - this.groups.length;
    fill(this.more, left > 0 && h("button.button.small", { type: "button", onclick: () => this.loadMore() }, t("{count} more", { count: left })));
  }

  markList() {
    const items = [...this.list.querySelectorAll(".dup-item")];
    items.forEach((one, at) => (at === this.at ? one.setAttribute("aria-current", "true") : one.removeAttribute("aria-current")));
    const item = items[this.at];
    if (item) this.list.parentElement.scrollTop += scrollBy(item, this.list.parentElement);
  }

  // -- one pair -------------------------------------------------------------------------------------------

  get group() { return this.groups[this.at]; }

  /** Show the first member without a verdict of the group at hand. */
  open_member() {
    const open = this.group?.members.findIndex((one) => !one.verdict) ?? 0;
    this.member = Math.max(0, open);
    this.markList();
    return this.showPair();
  }

  async showPair() {
    const { t, group, pane } = this;
    if (!group) return this.showEnd();
    const member = group.members[this.member];
    const key = `${group.keeper}\n${member.name}`;
    this.shown = key;
    let view;
    try {
      view = await this.view(group.keeper, member.name);
    } catch (error) {
      if (!this.page.signal.aborted && this.shown === key) fill(pane, problem(error, t, () => this.again()));
      return;
    }
    if (this.shown !== key) return;
    const goes = member.verdict === "remove";
    const head = (letter, name, badge) => h("header", h("span.pair-letter", { "aria-hidden": "true" }, letter), h("span.pair-name", { title: name }, name), badge);
    const several = group.members.length > 1;
    fill(pane,
      h("header.dup-head",
        h("h2", t("Group {at} of {count}", { at: this.at + 1, count: this.answer.matching })),
        several && h("div.dup-steps", group.members.map((one, at) => h("button.dup-step", {
          type: "button", "aria-current": at === this.member ? "true" : null, title: one.name, "aria-label": `${t("Text {at}", { at: at + 1 })}${one.verdict ? `: ${t(VERDICTS[one.verdict])}` : ""}`,
          class: one.verdict ? `dup-step ${one.verdict}` : "dup-step", onclick: () => { this.member = at; this.showPair(); } }, String(at + 1)))),
        h("span.end.row.small", h(`span.badge.${TONES[member.tier]}`, t(member.tier)), h("span.muted", t("similarity {value}", { value: number(member.similarity) })))),
      this.actions(member, several),
      warnings(view, t),
      member.protected && notice("info", t("Text B is protected: it always stays")),
      panes(view, [
        head("A", group.keeper, h("span.badge.good", goes ? t("stays") : t("keeper"))),
        head("B", member.name, member.verdict && h(`span.badge.${goes ? "bad" : "good"}`, t(VERDICTS[member.verdict]))),
      ], this.whole, t),
      h("div.row.small", legend(t), folds(view) && h("button.button.small.end", { type: "button", onclick: () => { this.whole = !this.whole; this.showPair(); } },
        this.whole ? t("Fold equal text") : t("Show all text"), h("kbd", "f"))),
      view.cut && h("p.small.muted", t("These texts are long: their beginnings are compared.")));
    this.ahead();
  }

  actions(member, several) {
    const { t } = this;
    if (this.status.read_only) return notice("info", t("This server is read-only"), h("p", t("You can look, and decide nothing.")));
    const act = (verdict, key, text, kind = "") => h(`button.button${kind}`, { type: "button", "aria-pressed": String(this.pressed(verdict, member)), onclick: () => this.verdict(verdict) }, text, h("kbd", key));
    return h("div.dup-actions", { role: "group", "aria-label": t("Verdict") },
      act("a", "1", t("Keep A"), ".primary"), act("b", "2", t("Keep B"), ".primary"), act("both", "3", t("Keep both")), act("different", "4", t("Not a duplicate")),
      several && h("button.button", { type: "button", onclick: () => this.all() }, t("Keep only A")),
      h("span.end.row", h("button.button", { type: "button", onclick: () => this.step(-1), "aria-label": t("Previous") }, "↑", h("kbd", "k")), h("button.button", { type: "button", onclick: () => this.step(1) }, t("Next"), h("kbd", "j"))));
  }

  pressed(verdict, member) {
    return verdict === "a" ? member.verdict === "remove" : member.verdict === verdict;
  }

  showEnd() {
    const { t, answer } = this;
    if (!answer.total) return fill(this.pane, empty("duplicates", t("No near-duplicates at this threshold"), h("p", t("A lower threshold finds texts that are less alike.")), this.applied()));
    if (this.state === "open") return fill(this.pane, empty("label", t("All groups are decided"), h("p", answer.removed ? t("Apply the plan below, or download it.") : t("No text is left to go.")), !answer.removed && this.applied()));
    return fill(this.pane, empty("duplicates", t("No group is like this"), h("p", t("Choose another tier, or show all."))));
  }

  /** Where the files of applied plans are, if there are any. */
  applied() {
    const { t } = this;
    return this.runs.length > 0 && h("p", t("The files of an applied plan are in the quarantine. Undo… below moves them back."));
  }

  views = new Map();

  /** The comparison of two texts; asked for once. */
  view(keeper, member) {
    const key = `${keeper}\n${member}`;
    if (!this.views.has(key)) {
      if (this.views.size > 200) this.views.clear();
      const asked = this.api.get("groups/pair", { job: this.job.id, keeper, member }, this.page.signal);
      asked.catch(() => this.views.delete(key));
      this.views.set(key, asked);
    }
    return this.views.get(key);
  }

  /** Ask for what is probably looked at next. */
  ahead() {
    const next = this.group.members[this.member + 1];
    const group = this.groups[this.at + 1];
    if (next) this.view(this.group.keeper, next.name).catch(() => {});
    else if (group) this.view(group.keeper, group.members[0].name).catch(() => {});
  }

  step(by) {
    const { group } = this;
    if (!group) return;
    if (this.member + by >= 0 && this.member + by < group.members.length) {
      this.member += by;
      this.showPair();
      return;
    }
    if (this.at + by < 0) return;
    if (this.at + by >= this.groups.length) {
      if (this.answer.matching > this.groups.length) this.loadMore().then(() => { if (this.at + by < this.groups.length) this.step(by); });
      return;
    }
    this.at += by;
    this.member = by > 0 ? 0 : this.groups[this.at].members.length - 1;
    this.markList();
    this.showPair();
  }

  // -- verdicts -------------------------------------------------------------------------------------------

  async decide(keep, others, verdict) {
    const { group } = this;
    try {
      const told = await this.api.post("decisions", { job: this.job.id, threshold: this.threshold, keep, others, verdict }, this.page.signal);
      Object.assign(this.answer, { decided: told.decided, removed: told.removed });
      const at = this.groups.indexOf(group);
      const changed = told.groups[0];
      if (at >= 0 && changed) this.groups[at] = { ...changed, group: group.group };
      this.drawList();
      this.drawFoot();
      return true;
    } catch (error) {
      this.page.fail(error);
      return false;
    }
  }

  async verdict(choice) {
    const { group } = this;
    if (!group || this.busy || this.status.read_only) return;
    const member = group.members[this.member];
    const [keep, other] = choice === "b" ? [member.name, group.keeper] : [group.keeper, member.name];
    this.busy = true;
    const done = await this.decide(keep, [other], choice === "a" || choice === "b" ? "remove" : choice);
    this.busy = false;
    if (!done) return;
    this.done.push({ keep, others: [other] });
    this.advance();
  }

  /** Keep the keeper alone: every other text of the group goes. */
  async all() {
    const { group } = this;
    const others = group.members.filter((one) => !one.protected).map((one) => one.name);
    if (await this.decide(group.keeper, others, "remove")) {
      this.done.push({ keep: group.keeper, others });
      this.advance();
    }
  }

  /** Go to the next text without a verdict, in this group or a later one. */
  advance() {
    const open = this.group.members.findIndex((one) => !one.verdict);
    if (open >= 0) {
      this.member = open;
      this.showPair();
      return;
    }
    const next = this.groups.findIndex((one, at) => at > this.at && !one.decided);
    if (next >= 0) {
      this.at = next;
      this.open_member();
    } else if (this.answer.matching > this.groups.length) {
      this.loadMore().then(() => { if (this.groups.some((one, at) => at > this.at && !one.decided)) this.advance(); });
    } else if (this.answer.decided === this.answer.total) {
      this.page.toast(this.t("All groups are decided"));
      this.load();
    } else {
      this.showPair();
    }
  }

  async undo() {
    const last = this.done.pop();
    if (!last) return this.page.toast(this.t("There is nothing to take back"));
    const at = this.groups.findIndex((one) => [one.keeper, ...one.members.map((m) => m.name)].includes(last.keep));
    if (at >= 0) this.at = at;
    if (await this.decide(last.keep, last.others, "")) (at >= 0 ? this.open_member() : this.load());
  }

  async accept() {
    try {
      const { decided } = await this.api.post("decisions/accept", { job: this.job.id, threshold: this.threshold, tier: "exact" }, this.page.signal);
      this.page.toast(this.t.count(decided, "{count} exact copy goes", "{count} exact copies go"));
      await this.load();
    } catch (error) {
      this.page.fail(error);
    }
  }

  // -- the plan -------------------------------------------------------------------------------------------

  drawFoot() {
    const { t, answer } = this;
    const write = !this.status.read_only;
    fill(this.foot,
      h("div.grow", h("strong", t("{decided} of {total} groups decided", answer)), h("span.muted", " · ", t.count(answer.removed, "{count} text goes", "{count} texts go")),
        h("progress", { max: answer.total || 1, value: String(answer.decided), "aria-label": t("Decided") })),
      answer.differing > 0 && h("button.button.small", { type: "button", onclick: () => this.again({ differing: true }) },
        t.count(answer.differing, "{count} pair is alike but states other facts: review it too", "{count} pairs are alike but state other facts: review them too")),
      h("div.row",
        write && h("a.button", { href: this.page.address("duplicates", { job: "" }) }, t("New search")),
        write && h("button.button", { type: "button", onclick: () => this.label() }, t("Use as labels")),
        write && h("button.button", { type: "button", onclick: () => this.showRuns() }, t("Undo…")),
        h("button.button", { type: "button", disabled: !answer.removed, onclick: () => this.save() }, icon("download"), t("Plan")),
        write && h("button.button.primary", { type: "button", disabled: !answer.removed, onclick: () => this.apply() }, t("Apply…"))));
  }

  async save() {
    try {
      const plan = await this.api.get("plan", { job: this.job.id, threshold: this.threshold }, this.page.signal);
      download("plan.json", `${JSON.stringify(plan, null, 2)}\n`, "application/json");
    } catch (error) {
      this.page.fail(error);
    }
  }

  async label() {
    try {
      const { labelled } = await this.api.post("decisions/labels", { job: this.job.id, threshold: this.threshold }, this.page.signal);
      this.page.toast(this.t.count(labelled, "{count} label saved for Tune", "{count} labels saved for Tune"));
      this.sizes = await this.api.get("groups/sizes", { job: this.job.id }, this.page.signal);
      this.drawTop();
    } catch (error) {
      this.page.fail(error);
    }
  }

  async apply() {
    const { t } = this;
    const request = { job: this.job.id, threshold: this.threshold };
    const body = h("div.dup-outcome", h("p", t("Looking at the files…")));
    const close = dialog(t("Apply the plan"), body, t);
    try {
      const [found, plan] = await Promise.all([
        this.api.post("plan/apply", { ...request, dry_run: true }, this.page.signal), this.api.get("plan", request, this.page.signal)]);
      const steps = new Map(plan.steps.map((step) => [step.from.source, step]));
      const go = h("button.button.primary", { type: "button", onclick: async () => {
        go.disabled = true;
        try {
          const done = await this.api.post("plan/apply", request, this.page.signal);
          close();
          this.page.toast(t.count(done.done.length, "{count} file moved to the quarantine", "{count} files moved to the quarantine"));
          this.again();
        } catch (error) {
          fill(body, problem(error, t));
        }
      } }, t.count(found.done.length, "Move {count} file", "Move {count} files"));
      fill(body,
        h("p", t("These files move to the quarantine in the index's folder, and leave the index. Nothing is deleted; Undo moves them back.")),
        files(found.done, (name) => reason(steps.get(name), t)),
        found.rows > 0 && notice("warn", t("{count} rows of files stay: the command line writes their file without them", { count: found.rows })),
        found.refused.length > 0 && h("details", h("summary", t.count(found.refused.length, "{count} file stays", "{count} files stay")),
          h("ul.dup-files", found.refused.map((one) => h("li", h("span.mono", one.source), h("span.muted.small", one.reason))))),
        h("div.row", found.done.length > 0 && go, h("button.button", { type: "button", onclick: close }, t("Cancel"))));
    } catch (error) {
      fill(body, problem(error, t));
    }
  }

  async showRuns() {
    const { t } = this;
    const body = h("div.dup-outcome");
    const close = dialog(t("Undo"), body, t);
    try {
      const runs = await this.api.get("runs", {}, this.page.signal);
      if (!runs.length) return fill(body, h("p", t("No run can be undone.")));
      return fill(body, h("p", t("Undo moves the files of a run back to where they were.")), h("ul.dup-files", runs.toReversed().map((one) => h("li.row",
        h("span.grow", h("span.mono", one.run), h("span.muted.small", t.count(one.files, "{count} file", "{count} files"))),
        h("button.button.small", { type: "button", onclick: async (event) => {
          event.currentTarget.disabled = true;
          try {
            const done = await this.api.post("undo", { run: one.run }, this.page.signal);
            fill(body, notice(done.refused.length ? "warn" : "good", t.count(done.done.length, "{count} file is back", "{count} files are back"),
              h("p", t("Ingest to search them again.")), h("a.button.small", { href: this.page.address("index"), onclick: close }, t("Go to Index"))));
          } catch (error) {
            fill(body, problem(error, t));
          }
        } }, t("Undo"))))));
    } catch (error) {
      return fill(body, problem(error, t));
    }
  }
}

const TONES = { exact: "good", lexical: "plain", semantic: "warn" };
const number = (value) => value.toFixed(4).replace(/0{1,2}$/, "");
const percent = (value) => `${(100 * value).toFixed(0)}%`;
const short = (name) => (name.length <= 44 ? name : `…${name.slice(-43)}`);
const files = (names, why) => h("ul.dup-files", names.slice(0, 200).map((name) => h("li", h("span.mono", name), h("span.muted.small", why(name)))), names.length > 200 && h("li.muted", `… ${names.length - 200}`));
const COPIES = {
  exact: N("exact copy of {keeper}"), lexical: N("lexical copy of {keeper}, similarity {similarity}"), semantic: N("semantic copy of {keeper}, similarity {similarity}"),
};

/** Why a step of a plan removes its text. */
function reason({ tier, keep, similarity, differs }, t) {
  return [t(COPIES[tier], { keeper: keep, similarity: number(similarity) }), differs].filter(Boolean).join(" · ");
}

function scrollBy(item, box) {
  const [one, all] = [item.getBoundingClientRect(), box.getBoundingClientRect()];
  return one.top < all.top ? one.top - all.top : Math.max(0, one.bottom - all.bottom);
}

function dialog(title, body, t) {
  const element = h("dialog.dup-dialog", { "aria-labelledby": "dialog-title", onclose: () => element.remove() },
    h("header", h("h2", { id: "dialog-title" }, title), h("form", { method: "dialog" }, h("button.switch", { "aria-label": t("Close") }, icon("close")))), body);
  document.body.append(element);
  element.showModal();
  return () => element.close();
}
