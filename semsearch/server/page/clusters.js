// What the index is about: clusters by meaning, with their names, and the texts of one of them.
import { fill, h, icon } from "./dom.js";
import { documentPanel } from "./document.js";
import { addFirst, meter, percentRange, place, problem, ranged, segmented } from "./widgets.js";

const GRANULARITIES = { coarse: 0.3, usual: 1, fine: 3, finest: 10 };
const PART = 20;

export async function render(main, api, t, page) {
  const { counts } = await page.status();
  if (!counts.passages)
    return fill(main, addFirst("clusters", t("This index is empty"), t, page));
  const ask = api.latest(page.signal);
  const asked = {
    level: page.params.get("level") === "document" ? "document" : "passage",
    grain: Object.hasOwn(GRANULARITIES, page.params.get("grain")) ? page.params.get("grain") : "usual",
  };
  const results = h("section", { "aria-label": t("Clusters"), "aria-live": "polite" });
  const panel = documentPanel(api, t, page, { opened: () => {}, closed: () => {} });
  const choose = (name) => (value) => {
    asked[name] = value;
    page.remember(asked);
    look();
  };
  fill(
    main,
    h(
      "div.card.row",
      segmented(
        t("Group"),
        "level",
        { passage: t("Passages"), document: t("Documents") },
        asked.level,
        choose("level"),
      ),
      segmented(
        t("Granularity"),
        "grain",
        { coarse: t("Coarse"), usual: t("Usual"), fine: t("Fine"), finest: t("Very fine") },
        asked.grain,
        choose("grain"),
      ),
    ),
    results,
    panel.element,
  );
  await look();

  function request() {
    return { level: asked.level, granularity: GRANULARITIES[asked.grain] };
  }

  async function look() {
    fill(results, h("p.muted", t("Comparing all texts… This can take a minute.")));
    try {
      const found = await ask.get("clusters", request());
      fill(
        results,
        h(
          "p",
          t.count(found.clusters.length, "{count} cluster", "{count} clusters"),
          " · ",
          t("{low} to {high} where a fifth of the texts is left out", found.number),
        ),
        h("ol.clusters", found.clusters.map(shown)),
      );
    } catch (error) {
      if (error.name !== "AbortError") fill(results, problem(error, t, look));
    }
  }

  function shown(one) {
    const texts = h("div");
    let shownNow = 0;
    const more = h("button.button.small", { type: "button", onclick: grow }, t("Show its texts"));
    return h(
      "li.card",
      h("h2", one.name, one.new && h("span.muted", ` ${t("(new)")}`)),
      h("p", one.sentence),
      h(
        "p.row.small",
        h("span", t.count(one.size, "{count} text", "{count} texts"), ", ", percentRange(one.share, t)),
        meter(one.share.value, percentRange(one.share, t)),
        h("span", t("Stability"), " ", ranged(one.stability, 2, t)),
        one.outlier_count > 0 && h("span", t.count(one.outlier_count, "{count} outlier", "{count} outliers")),
      ),
      texts,
      more,
    );

    async function grow() {
      try {
        const part = { ...request(), number: one.number, offset: shownNow, limit: PART };
        const answer = await api.get("clusters/members", part, page.signal);
        texts.append(...answer.members.map(member));
        shownNow += answer.members.length;
        more.textContent = t("Show more");
        if (shownNow >= answer.matching) more.remove();
      } catch (error) {
        page.fail(error);
      }
    }
  }

  function member(one) {
    return h(
      "article",
      h(
        "p.where",
        h("button.title", { type: "button", onclick: () => panel.open(one) }, one.document),
        h("span", place(one, t)),
        h("span.number", one.similarity.toFixed(2)),
        one.outlier && h("span.muted", t("outlier")),
      ),
      h("p.snippet", one.text.replace(/\s+/g, " ").slice(0, 240)),
    );
  }
}
