// Train the model of the index on labels or headings, see whether it is better, and go back.
import { fill, h, icon } from "./dom.js";
import { N } from "./i18n.js";
import { addFirst, notice, problem, progress, ranged, segmented, table } from "./widgets.js";

const MEASURES = {
  "average precision": N("average precision"),
  "rank correlation": N("rank correlation"),
  MRR: N("MRR of headings"),
};
const KINDS = ["adapt", "undo_adapt"];

export async function render(main, api, t, page) {
  const [status, jobs] = await Promise.all([page.status(true), api.get("jobs", {}, page.signal)]);
  const own = jobs.filter(({ kind }) => KINDS.includes(kind));
  const running = own.find(({ state }) => state === "running");
  if (running) return work(async () => running);
  const last = own.at(-1);
  return draw(last?.kind === "adapt" && last.state === "done" ? last.result : null);

  async function work(begin) {
    const place = h("div.card");
    fill(main, place);
    try {
      const job = await begin();
      const cancel = () => api.delete(`jobs/${job.id}`).catch(page.fail);
      const shown = (state) =>
        fill(
          place,
          h("h2", state.kind === "adapt" ? t("Training, judging and embedding") : t("Going back")),
          progress(state, t),
          h("div.row", h("button.button.small", { type: "button", onclick: cancel }, t("Cancel"))),
        );
      shown(job);
      await api.follow(job, shown, page.signal);
      await render(main, api, t, page);
    } catch (error) {
      if (!page.signal.aborted)
        fill(
          main,
          problem(error, t, () => draw(null)),
        );
    }
  }

  function start(request) {
    return work(() => api.post("jobs", request, page.signal));
  }

  function draw(result) {
    const { read_only: readOnly, counts, adapted_from: base, settings } = status;
    if (!counts.passages)
      return fill(main, addFirst("adapt", t("This index is empty"), t, page));
    const parts = [
      h(
        "section.card.tune-saved",
        h("h2", base ? t("The model is adapted") : t("The model is not adapted")),
        h("p", settings.model),
        base && h("p.muted.small", t("trained from {model}", { model: base })),
        base &&
          h("p.small", t("A threshold belongs to its model."), " ", h("a", { href: page.address("tune") }, t("Tune"))),
        base &&
          !readOnly &&
          h(
            "button.button",
            { type: "button", onclick: () => start({ kind: "undo_adapt" }) },
            t("Back to the model before"),
          ),
      ),
      readOnly
        ? notice(
            "info",
            t("This server is read-only"),
            h("p", t("The model is a part of the index, so it cannot be adapted here.")),
          )
        : !base && choose(),
      result && judged(result),
    ];
    return fill(main, h("div.life", parts));
  }

  function choose() {
    const check = (name, text, checked) =>
      h("label.check", h("input", { type: "checkbox", name, checked }), h("span", text));
    const form = h(
      "form.card.tune-form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          const given = Object.fromEntries(new FormData(form));
          start({ kind: "adapt", pairs: given.pairs, guard: "guard" in given, dry_run: "try" in given });
        },
      },
      h("h2", t("Train the model on your texts")),
      segmented(
        t("Train on"),
        "pairs",
        { labels: t("Your labels"), structure: t("Headings and titles") },
        "labels",
        () => {},
      ),
      check("guard", t("Judge by public pairs too, which show what the model forgets"), true),
      check("try", t("Only try it: leave the index as it is"), false),
      h(
        "p.small.muted",
        t(
          "A third is held out to judge. The index moves to the new model only where the gain is above 0 for certain and the public pairs lose next to nothing. It takes minutes.",
        ),
      ),
      h("button.button.primary", icon("adapt"), t("Train")),
    );
    return form;
  }

  function judged(result) {
    const rows = [result.held_out, ...result.guards].map((one, at) => [
      at ? t("public pairs {name}", { name: one.name }) : t("held out"),
      t(MEASURES[one.measure] ?? one.measure),
      one.pairs,
      ranged(one.before, 3, t),
      ranged(one.after, 3, t),
      ranged(one.gain, 3, t, "", true),
    ]);
    return h(
      "section.card",
      h("h2", result.adopted ? t("It is better") : t("It was not adopted")),
      result.reason && h("p", result.reason),
      table(t("The model before and after"), ["", t("measure"), t("pairs"), t("before"), t("after"), t("gain")], rows),
      h(
        "p.small.muted",
        t(
          "Ranges are intervals of 95% confidence. Trained on {pairs} pairs: rate {rate}, epochs {epochs}, strength {strength}.",
          {
            pairs: result.trained_on,
            rate: String(result.rate),
            epochs: result.epochs,
            strength: result.strength,
          },
        ),
      ),
    );
  }
}
