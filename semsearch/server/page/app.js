// The shell: navigation, language, theme, keys and messages. A view is a module of this folder, named by its path, that
// exports render(main, api, t, page); it builds itself in `main`. `page` is described at pageFor below.
import { api, isAbort, listen } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { choose, current, LANGUAGES, N, t } from "./i18n.js";
import { recall, remember } from "./memory.js";
import { problem } from "./widgets.js";

const VIEWS = [
  { path: "search", title: "Search" },
  { path: "map", title: "Map" },
  { path: "clusters", title: "Clusters" },
  { path: "drift", title: "Drift" },
  { path: "duplicates", title: "Duplicates", first: true },
  { path: "label", title: "Label" },
  { path: "tune", title: "Tune" },
  { path: "adapt", title: "Adapt" },
  { path: "embed", title: "Embed", first: true },
  { path: "compare", title: "Compare" },
  { path: "triage", title: "Triage" },
  { path: "index", title: "Index", first: true },
];
const THEMES = { "": ["system", N("As the system")], light: ["light", N("Light")], dark: ["dark", N("Dark")] };
const KEYS = [
  { keys: ["/"], does: "Search", run: focusSearch },
  { keys: ["?"], does: "Show the keys", run: showKeys },
  { keys: ["Escape"], does: "Close, or leave a field", always: true, run: () => document.activeElement?.blur() },
];

const main = document.getElementById("main");
const side = document.getElementById("side");
const toasts = document.getElementById("toasts");
let leave = new AbortController();
let keys = [];
let status = null;
const statusLine = h("div.status");

// -- the address ------------------------------------------------------------------------------------------

function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: VIEWS.find((one) => one.path === path) ?? VIEWS[0], params: new URLSearchParams(query) };
}

const address = (path, params = {}) => {
  const query = new URLSearchParams(params).toString();
  return `#/${path}${query && `?${query}`}`;
};

function go(path, params) {
  location.hash = address(path, params);
}

/** What a view is given in addition to its element. */
function pageFor(view, params, signal) {
  return {
    /** What follows "?" in the address, so a reload or a link shows the same. */
    params,
    /** Change the address without leaving the view. */
    remember: (next) => {
      if (!signal.aborted) history.replaceState(null, "", address(view.path, next));
    },
    /** Show another view. */
    go,
    address,
    /** Aborted when the view is left: give it to api calls and to addEventListener. */
    signal,
    /**
     * Set the keys while the view is shown, in place of earlier ones: [{keys: ["j", "ArrowDown"], does, run(event)}];
     * those with `always` also count in fields.
     */
    keys: (rows) => {
      keys = rows;
    },
    /** Say something in passing. */
    toast,
    /** Say that something failed; a question that nobody waits for is no failure. */
    fail: (error) => {
      if (!isAbort(error)) toast([error.message, error.hint].filter(Boolean).join(" "), "bad");
    },
    /** The status of the index, as GET status gives it; looked at again with true. */
    status: async (again = false) => (again || !status ? look() : status),
    /** Call back when the index has changed, by a job, another program or --watch. */
    changed: (run) => document.addEventListener("semsearch:changed", run, { signal }),
    /** Call back with a job that any page or program has started or ended. */
    jobs: (run) => document.addEventListener("semsearch:job", ({ detail }) => run(detail), { signal }),
  };
}

async function show({ focus = true } = {}) {
  leave.abort(new DOMException("The view was left.", "AbortError"));
  leave = new AbortController();
  keys = [];
  const { signal } = leave;
  const { view, params } = place();
  drawSide(view);
  document.title = `${t(view.title)} · semsearch`;
  const heading = h("h1", { tabindex: "-1" }, t(view.title));
  const body = h(`div.view.view-${view.path}`);
  fill(main, h("header.view-head", heading), body);
  if (focus) heading.focus({ preventScroll: true });
  scrollTo(0, 0);
  try {
    const { render } = await import(`./${view.path}.js`);
    if (!signal.aborted) await render(body, api, t, pageFor(view, params, signal));
  } catch (error) {
    if (!signal.aborted && !isAbort(error))
      fill(
        body,
        problem(error, t, () => show()),
      );
  }
}

// -- the side ---------------------------------------------------------------------------------------------

function drawSide(view) {
  document.getElementById("skip").textContent = t("Skip to the content");
  const links = VIEWS.map((one) =>
    h(
      "li",
      { class: one.first ? "first" : null },
      h(
        "a",
        { href: address(one.path), "aria-current": one === view ? "page" : null },
        icon(one.path),
        h("span", t(one.title)),
      ),
    ),
  );
  fill(
    side,
    h(
      "a.brand",
      { href: address("search") },
      h("img", { src: "icon.svg", alt: "", width: 26, height: 26 }),
      "semsearch",
    ),
    h("nav", { "aria-label": t("Views") }, h("ul", links)),
    h(
      "div.side-foot",
      statusLine,
      h("div.switches", themeSwitch(), languageSwitch(), keysButton(), h("a.switch", { href: "docs" }, "API")),
    ),
  );
  side.querySelector("[aria-current]").scrollIntoView({ block: "nearest", inline: "center" });
}

function themeSwitch() {
  const now = recall("theme") ?? "";
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(now) + 1) % names.length];
  const label = `${t("Colours")}: ${t(THEMES[now][1])}`;
  return h(
    "button.switch",
    {
      type: "button",
      title: label,
      "aria-label": label,
      onclick: (event) => {
        remember("theme", next || null);
        if (next) document.documentElement.dataset.theme = next;
        else delete document.documentElement.dataset.theme;
        const again = themeSwitch();
        event.currentTarget.replaceWith(again);
        again.focus();
      },
    },
    icon(THEMES[now][0]),
  );
}

function languageSwitch() {
  const next = current() === "en" ? "zh" : "en";
  return h(
    "button.switch",
    {
      type: "button",
      lang: next,
      onclick: () => {
        choose(next);
        showStatus();
        show({ focus: false }).then(() => document.querySelector(".switch[lang]")?.focus());
      },
    },
    icon("language"),
    LANGUAGES[next],
  );
}

const keysButton = () =>
  h(
    "button.switch",
    { type: "button", title: t("Show the keys"), "aria-label": t("Show the keys"), onclick: showKeys },
    icon("keyboard"),
  );

async function look() {
  try {
    const before = status;
    status = await api.get("status");
    if (before && contents(before) !== contents(status)) document.dispatchEvent(new CustomEvent("semsearch:changed"));
  } catch (error) {
    status = null;
    throw error;
  } finally {
    showStatus();
  }
  return status;
}

const contents = ({ counts, last_ingest: when, threshold }) => JSON.stringify([counts, when, threshold]);

function showStatus() {
  if (!status) return fill(statusLine, t("No connection"));
  const name = status.folder
    .replace(/[/\\]\.semsearch$/, "")
    .split(/[/\\]/)
    .pop();
  return fill(
    statusLine,
    h("strong", { title: status.folder }, name),
    h(
      "span",
      t.count(status.counts.passages ?? 0, "{count} passage", "{count} passages"),
      status.read_only && ` · ${t("read-only")}`,
    ),
  );
}

// -- keys and messages ------------------------------------------------------------------------------------

const inField = (element) =>
  element instanceof HTMLElement &&
  element.matches("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog:modal"))
    return;
  const typing = inField(event.target);
  const rows = [...keys, ...KEYS].filter((one) => one.keys.includes(event.key) && (!typing || one.always));
  if (rows.some((one) => one.run(event) !== false)) event.preventDefault(); // false: not meant here
});

function focusSearch() {
  const field = document.querySelector("[data-search]");
  if (field) field.focus();
  else go("search");
}

function showKeys() {
  const rows = [...keys, ...KEYS].map((one) => [
    h(
      "dt",
      one.keys.map((key) => h("kbd", NAMES[key] ?? key)),
    ),
    h("dd", t(one.does)),
  ]);
  const dialog = h(
    "dialog.keys",
    { "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    h(
      "form",
      { method: "dialog" },
      h(
        "header",
        h("h2", { id: "keys-title" }, t("Keys")),
        h("button.switch", { "aria-label": t("Close") }, icon("close")),
      ),
      h("dl", rows),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc", Enter: "↵", " ": "␣" };

function toast(text, kind = "") {
  const message = h(`p.toast${kind && `.${kind}`}`, text);
  toasts.append(message);
  setTimeout(() => message.remove(), kind === "bad" ? 12_000 : 5_000);
}

// -- start ------------------------------------------------------------------------------------------------

addEventListener("hashchange", () => show());
const quietly = () => look().catch(() => {});
listen(
  "events",
  {
    open: quietly,
    index: quietly,
    job: (job) => document.dispatchEvent(new CustomEvent("semsearch:job", { detail: job })),
  },
  undefined,
  quietly,
);
show({ focus: false });
