// A document's stored passages with their lines, opened at one of them; and what is similar to that passage.
import { isAbort } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { empty, meter, place, problem, segmented } from "./widgets.js";

const SIMILAR = 10;

/** Make the panel. `opened` is told {open, line, similar} of what it shows, and `closed` that it shows nothing. */
export function documentPanel(api, t, page, { opened, closed }) {
  const ask = api.latest(page.signal);
  const element = h("dialog.panel", {
    "aria-labelledby": "panel-title",
    oncancel: (event) => {
      event.preventDefault();
      close();
    },
  });
  return { element, open, close };

  /** Open a passage, given by its document and the number where it starts. */
  async function open({ document: name, start }, { similar = false } = {}) {
    const body = h(
      "div.panel-body",
      { tabindex: "0", role: "group", "aria-label": similar ? t("Similar passages") : t("Document") },
      h("div.skeleton", { "aria-hidden": "true" }),
    );
    fill(
      element,
      h(
        "header",
        h("h2", { id: "panel-title", tabindex: "-1" }, name),
        h("button.switch", { type: "button", "aria-label": t("Close"), onclick: close }, icon("close")),
      ),
      h(
        "div.row",
        segmented(
          t("Show"),
          "panel",
          { document: t("Document"), similar: t("Similar passages") },
          similar ? "similar" : "document",
          (value) => open({ document: name, start }, { similar: value === "similar" }),
        ),
      ),
      body,
    );
    if (!element.open) {
      if (matchMedia("(max-width: 1099px)").matches) element.showModal();
      else element.show();
    }
    element.querySelector("h2").focus({ preventScroll: true });
    opened({ open: name, line: String(start || ""), similar: similar ? "1" : "" });
    try {
      if (similar)
        showSimilar(body, await ask.get("similar", { document: name, line: start || undefined, k: SIMILAR }));
      else showDocument(body, await ask.get("document", { name }), start);
    } catch (error) {
      if (!isAbort(error))
        fill(
          body,
          problem(error, t, () => open({ document: name, start }, { similar })),
        );
    }
  }

  function close() {
    if (!element.open) return false;
    ask.stop();
    element.close();
    closed();
    return true;
  }

  function showDocument(body, { passages }, start) {
    let heading = "";
    fill(
      body,
      passages.map((passage) => {
        const isNew = passage.heading && passage.heading !== heading;
        heading = passage.heading;
        return h(
          "section.passage",
          { "aria-current": passage.start === start ? "true" : null },
          isNew && h("h3.hidden", passage.heading),
          lines(passage, t),
        );
      }),
    );
    const at = body.querySelector("[aria-current]");
    if (at) body.scrollTop = at.offsetTop - body.offsetTop - 48;
  }

  function showSimilar(body, { hits }) {
    if (!hits.length) return fill(body, empty("similar", t("Nothing is similar to this passage")));
    return fill(
      body,
      h(
        "ol.similar",
        hits.map((hit) =>
          h(
            "li",
            h("button.title", { type: "button", onclick: () => open(hit) }, hit.heading || hit.document),
            h(
              "p.where",
              h("span.path", hit.document),
              h("span", place(hit, t)),
              meter(hit.score, t("Similarity {score}", { score: hit.score.toFixed(2) })),
              h("span.number", hit.score.toFixed(2)),
            ),
            h("p.snippet", hit.text.replace(/\s+/g, " ").slice(0, 240)),
          ),
        ),
      ),
    );
  }
}

/** A passage with the number of each line, where its lines are those of the file, or else with its place above. */
function lines(passage, t) {
  const texts = passage.text.split("\n");
  const isNumbered = passage.unit === "line" && texts.length === passage.end - passage.start + 1;
  if (!isNumbered) return h("div", h("p.place", place(passage, t)), h("p.text", passage.text));
  return h(
    "div.lines",
    texts.map((text, at) => [
      h("span.line-number", { "aria-hidden": "true" }, String(passage.start + at)),
      h("span.text", text || "\u200b"),
    ]),
  );
}
