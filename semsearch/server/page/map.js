// The map: every passage as a point. Points are typed arrays, and a frame is one image that is written pixel by pixel.
import { fill, h, icon } from "./dom.js";
import { addFirst, place, problem, segmented } from "./widgets.js";

const SHADES = 10;  // colours for the largest folders; the rest share one
const LISTED = 30;  // passages that are asked for at a time
const NEAR = 10;  // pixels from a point within which the pointer means it
const ZOOM = 1.3;
const MOST_ZOOM = 400;
const CORNERS = 300;  // of a lasso that is sent

export async function render(main, api, t, page) {
  const { counts } = await page.status();
  if (!counts.passages) return fill(main, addFirst("map", t("The index is empty"), t, page));
  fill(main, h("div.map-wait.card", h("p.muted", t("Placing {count} passages…", { count: counts.passages }))));
  const reviews = (await api.get("jobs", {}, page.signal)).filter((one) => one.kind === "review" && one.state === "done" && one.result.level === "document");
  const review = reviews.at(-1)?.id;
  try {
    const points = read(await api.bytes("map", { groups: review }, page.signal));
    return new Plane(main, api, t, page, points, review).open();
  } catch (error) {
    if (!page.signal.aborted) fill(main, problem(error, t, () => render(main, api, t, page)));
    return null;
  }
}

/** Take the answer apart: a length, a JSON text, and arrays that need no copy. */
function read(bytes) {
  const size = new DataView(bytes).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, size)));
  const count = about.passages;
  const at = 4 + size;
  return {
    ...about, count, xy: new Float32Array(bytes, at, 2 * count),
    folder: new Uint32Array(bytes, at + 8 * count, count), group: new Uint32Array(bytes, at + 12 * count, count),
  };
}

class Plane {
  constructor(main, api, t, page, points, review) {
    Object.assign(this, { main, api, t, page, points, review });
    this.by = "folder";
    this.tool = "move";
    this.hidden = new Set();
    this.lasso = [];  // corners, in the coordinates of the points
    this.contains = "";
    this.view = { scale: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.asked = api.latest(page.signal);
  }

  open() {
    const { t, page } = this;
    this.canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": t("Map of {count} passages. Arrow keys move it, plus and minus zoom, 0 shows all. The list below has the same passages.", { count: this.points.count }) });
    this.over = h("canvas.map-over", { "aria-hidden": "true" });
    this.tip = h("div.map-tip", { role: "tooltip", hidden: true });
    this.stage = h("div.map-stage.card", this.canvas, this.over, this.tip,
      h("div.map-zoom", [["+", t("Zoom in"), ZOOM], ["−", t("Zoom out"), 1 / ZOOM]].map(([text, name, by]) => h("button.button", { type: "button", "aria-label": name, title: name, onclick: () => this.zoom(by) }, text)),
        h("button.button", { type: "button", "aria-label": t("Show all"), title: t("Show all"), onclick: () => this.fit() }, "⤢")));
    this.tools = h("div.row.map-tools");
    this.legend = h("div.map-legend", { role: "group", "aria-label": t("Legend") });
    this.list = h("section.card.map-list", { "aria-label": t("Passages") });
    fill(this.main, this.tools, this.legend, this.stage, this.list);
    this.drawTools();
    this.drawLegend();
    this.drawList();
    this.listen();
    const here = (run) => () => (document.activeElement === this.canvas ? run() : false);
    const pan = (x, y) => here(() => this.move(x * 60, y * 60));
    page.keys([
      { keys: ["ArrowLeft"], does: "Move the map left", run: pan(1, 0) }, { keys: ["ArrowRight"], does: "Move the map right", run: pan(-1, 0) },
      { keys: ["ArrowUp"], does: "Move the map up", run: pan(0, 1) }, { keys: ["ArrowDown"], does: "Move the map down", run: pan(0, -1) },
      { keys: ["+", "="], does: "Zoom in", run: () => this.zoom(ZOOM) }, { keys: ["-"], does: "Zoom out", run: () => this.zoom(1 / ZOOM) },
      { keys: ["0"], does: "Show all", run: () => this.fit() },
      { keys: ["l"], does: "Draw a lasso", run: () => this.choose(this.tool === "lasso" ? "move" : "lasso") },
    ]);
    return this.load();
  }

  // -- parts ----------------------------------------------------------------------------------------------

  drawTools() {
    const { t } = this;
    fill(this.tools,
      segmented(t("Colour"), "by", { folder: t("By folder"), group: t("By group") }, this.by, (by) => { this.by = by; this.hidden.clear(); this.drawLegend(); this.draw(); }),
      segmented(t("Tool"), "tool", { move: t("Move"), lasso: t("Lasso") }, this.tool, (tool) => this.choose(tool)),
      h("span.muted.small.end", t("{count} passages; the plane shows {share} of their differences", { count: this.points.count, share: `${(100 * this.points.share).toFixed(0)}%` })));
  }

  choose(tool) {
    this.tool = tool;
    this.drawTools();
    this.stage.classList.toggle("lasso", tool === "lasso");
  }

  /** The shade of each point, and what each shade means. */
  drawLegend() {
    const { t, points } = this;
    const { count } = points;
    this.shade = new Uint8Array(count);
    const totals = new Array(SHADES + 1).fill(0);
    for (let i = 0; i < count; i += 1) {
      const shade = this.by === "folder" ? Math.min(points.folder[i], SHADES) : points.group[i] ? (points.group[i] - 1) % SHADES : SHADES;
      this.shade[i] = shade;
      totals[shade] += 1;
    }
    if (this.by === "group" && !this.review) {
      fill(this.legend, h("span.muted", t("No groups yet"), h("a", { href: this.page.address("duplicates") }, t("Find near-duplicates"))), this.swatches = Array.from({ length: SHADES + 1 }, (_, at) => h("i.map-swatch", { data: { shade: at }, hidden: true })));
      return this.colours();
    }
    const names = this.by === "folder" ? points.folders.slice(0, SHADES).map((one) => (one === "." ? t("(top)") : one)) : [];
    if (this.by === "folder" && points.folders.length > SHADES) names[SHADES] = t("{count} more folders", { count: points.folders.length - SHADES });
    if (this.by === "group") { names[0] = t("in a group"); names[SHADES] = t("in no group"); }
    const grouped = count - totals[SHADES];
    this.swatches = Array.from({ length: SHADES + 1 }, (_, at) => h("i.map-swatch", { data: { shade: at }, "aria-hidden": "true" }));
    fill(this.legend, this.swatches.map((swatch, at) => (names[at] === undefined ? h("span", { hidden: true }, swatch)
      : h("button.chip", { type: "button", "aria-pressed": String(!this.hidden.has(at)), onclick: () => this.toggle(at) }, swatch, h("span", names[at]), h("span.count", (this.by === "group" && at === 0 ? grouped : totals[at]).toLocaleString())))));
    return this.colours();
  }

  toggle(at) {
    const shades = this.by === "group" && at === 0 ? Array.from({ length: SHADES }, (_, one) => one) : [at];
    const hide = !this.hidden.has(at);
    for (const one of shades) (hide ? this.hidden.add(one) : this.hidden.delete(one));
    this.drawLegend();
    this.draw();
  }

  /** Read the colours of the theme from the swatches, as pixels. */
  colours() {
    this.pixels = new Uint32Array(this.swatches.map((one) => {
      const [r, g, b] = getComputedStyle(one).backgroundColor.match(/[\d.]+/g).map(Number);
      return (b << 16) | (g << 8) | r;
    }));
  }

  // -- the picture ----------------------------------------------------------------------------------------

  listen() {
    const { signal } = this.page;
    const on = (target, name, run, options = {}) => target.addEventListener(name, run, { signal, ...options });
    new ResizeObserver(() => this.resize()).observe(this.stage);
    const again = () => requestAnimationFrame(() => { this.colours(); this.draw(); });
    on(matchMedia("(prefers-color-scheme: dark)"), "change", again);
    const watch = new MutationObserver(again);
    watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    signal.addEventListener("abort", () => watch.disconnect());
    on(this.over, "pointerdown", (event) => this.down(event));
    on(this.over, "pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) on(this.over, name, (event) => this.up(event));
    on(this.over, "pointerleave", () => this.point(-1));
    on(this.over, "wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    }, { passive: false });
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const first = !this.width;
    Object.assign(this, { width, height, dpr: Math.min(2, devicePixelRatio || 1) });
    for (const one of [this.canvas, this.over]) {
      one.width = Math.round(width * this.dpr);
      one.height = Math.round(height * this.dpr);
    }
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
    this.data = new Uint32Array(this.image.data.buffer);
    if (first) this.fit();
    else this.draw();
  }

  /** Show every point. */
  fit() {
    const { xy, count } = this.points;
    let [left, right, low, high] = [1, -1, 1, -1];
    for (let i = 0; i < 2 * count; i += 2) {
      left = Math.min(left, xy[i]); right = Math.max(right, xy[i]);
      low = Math.min(low, xy[i + 1]); high = Math.max(high, xy[i + 1]);
    }
    const scale = 0.92 * Math.min(this.width / Math.max(right - left, 1e-6), this.height / Math.max(high - low, 1e-6), 1e7);
    this.whole = scale;
    this.view = { scale, x: this.width / 2 - (scale * (left + right)) / 2, y: this.height / 2 + (scale * (low + high)) / 2 };
    this.draw();
  }

  move(x, y) {
    this.view = { ...this.view, x: this.view.x + x, y: this.view.y + y };
    this.draw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const scale = Math.min(MOST_ZOOM * this.whole, Math.max(this.whole / 4, this.view.scale * by));
    const factor = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * factor, y: y - (y - this.view.y) * factor };
    this.draw();
  }

  /** Draw at the next frame, once. */
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.paint(); this.paintOver(); });
  }

  paint() {
    const { data, points, shade, pixels, dpr, view } = this;
    if (!data) return;
    const { xy, count } = points;
    const { width, height } = this.canvas;
    const [scale, x0, y0] = [view.scale * dpr, view.x * dpr, view.y * dpr];
    const grown = Math.sqrt(Math.max(1, view.scale / this.whole));
    const radius = dpr * Math.min(6, Math.max(1.1, 5 - Math.log10(Math.max(count, 100)) * 0.8) * Math.min(2.2, grown));
    const { offsets, alphas, reach } = stamp(radius, width);
    const shown = new Uint8Array(SHADES + 1).map((_, at) => (this.hidden.has(at) ? 0 : 1));
    data.fill(0);
    for (let pass = this.by === "group" ? 0 : 1; pass < 2; pass += 1) {  // what is in no group lies below the groups
      for (let i = 0; i < count; i += 1) {
        const tone = shade[i];
        if (!shown[tone] || (this.by === "group" && (tone === SHADES) !== (pass === 0))) continue;
        const x = (xy[2 * i] * scale + x0) | 0;
        const y = (y0 - xy[2 * i + 1] * scale) | 0;
        if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
        const at = y * width + x;
        const colour = pixels[tone];
        for (let k = 0; k < offsets.length; k += 1) {
          const to = at + offsets[k];
          if (alphas[k] === 255) data[to] = colour | 0xff000000;
          else if (data[to] === 0) data[to] = colour | (alphas[k] << 24);
        }
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }

  /** The lasso and the point at hand, above the points. */
  paintOver() {
    const { over, dpr } = this;
    const context = over.getContext("2d");
    const style = getComputedStyle(this.stage);
    context.setTransform(dpr, 0, 0, dpr, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.strokeStyle = style.color;
    if (this.lasso.length > 1) {
      context.beginPath();
      for (const [x, y] of this.lasso) context.lineTo(...this.onScreen(x, y));
      context.closePath();
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.stroke();
      context.globalAlpha = 0.08;
      context.fillStyle = style.color;
      context.fill();
      context.globalAlpha = 1;
      context.setLineDash([]);
    }
    if (this.near >= 0) {
      const { xy } = this.points;
      context.beginPath();
      context.arc(...this.onScreen(xy[2 * this.near], xy[2 * this.near + 1]), 7, 0, 2 * Math.PI);
      context.lineWidth = 2;
      context.stroke();
    }
  }

  onScreen(x, y) { return [x * this.view.scale + this.view.x, this.view.y - y * this.view.scale]; }

  onPlane(x, y) { return [(x - this.view.x) / this.view.scale, (this.view.y - y) / this.view.scale]; }

  // -- the pointer ----------------------------------------------------------------------------------------

  down(event) {
    this.over.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.drawing = (this.tool === "lasso" || event.shiftKey) && this.pointers.size === 1;
    if (this.drawing) this.lasso = [this.onPlane(event.offsetX, event.offsetY)];
    this.point(-1);
  }

  moved(event) {
    const now = [event.offsetX, event.offsetY];
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.point(this.nearest(...now), now);
    if (this.drawing) {
      this.lasso.push(this.onPlane(...now));
      return this.draw();
    }
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    this.pointers.set(event.pointerId, now);
    this.move((now[0] - before[0]) / (1 + others.length), (now[1] - before[1]) / (1 + others.length));
    if (others.length) {
      const [other] = others;
      this.zoom(distance(now, other) / Math.max(1, distance(before, other)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    }
    return null;
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.drawing) return;
    this.drawing = false;
    if (this.lasso.length < 3) this.lasso = [];
    const every = Math.ceil(this.lasso.length / CORNERS);
    this.lasso = this.lasso.filter((_, at) => at % every === 0);
    this.draw();
    this.load();
  }

  /** The number of the point nearest to a place on the screen, or -1. */
  nearest(x, y) {
    const { points: { xy, count }, shade, view: { scale, x: x0, y: y0 } } = this;
    let [best, least] = [-1, NEAR * NEAR];
    for (let i = 0; i < count; i += 1) {
      const dx = xy[2 * i] * scale + x0 - x;
      const dy = y0 - xy[2 * i + 1] * scale - y;
      const square = dx * dx + dy * dy;
      if (square < least && !this.hidden.has(shade[i])) [best, least] = [i, square];
    }
    return best;
  }

  /** Show the passage of a point, once the pointer rests on it. */
  point(number, at) {
    if (number === this.near) return;
    this.near = number;
    clearTimeout(this.resting);
    this.tip.hidden = true;
    this.paintOver();
    if (number < 0) return;
    this.resting = setTimeout(async () => {
      try {
        const { passages: [one] } = await this.asked.get("map/passages", { version: this.points.version, number });
        if (this.near !== number || !one) return;
        fill(this.tip, h("strong", one.document), h("span.muted.small", place(one, this.t)), h("p", one.text));
        this.tip.hidden = false;
        const { offsetWidth: width, offsetHeight: height } = this.tip;
        this.tip.style.left = `${Math.max(8, Math.min(at[0] + 14, this.width - width - 8))}px`;
        this.tip.style.top = `${at[1] + height + 24 > this.height ? Math.max(8, at[1] - height - 14) : at[1] + 14}px`;
      } catch (error) {
        this.page.fail(error);
      }
    }, 90);
  }

  // -- the list -------------------------------------------------------------------------------------------

  drawList() {
    const { t } = this;
    const words = h("input.input", { type: "search", placeholder: t("Only documents named like…"), "aria-label": t("Only documents named like…"), oninput: () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => { this.contains = words.value.trim(); this.load(); }, 150);
    } });
    this.count = h("h2", { "aria-live": "polite" });
    this.clear = h("button.button.small", { type: "button", hidden: true, onclick: () => { this.lasso = []; this.draw(); this.load(); } }, icon("close"), t("Clear the lasso"));
    this.rows = h("ol.map-rows");
    this.more = h("button.button.small", { type: "button", hidden: true, onclick: () => this.load(this.rows.childElementCount) }, t("More"));
    fill(this.list, h("div.row", this.count, this.clear, h("div.end", words)), this.rows, this.more);
  }

  async load(offset = 0) {
    const { t, lasso, points } = this;
    this.clear.hidden = !lasso.length;
    const polygon = lasso.map(([x, y]) => `${x.toFixed(5)},${y.toFixed(5)}`).join(",");
    try {
      const { matching, passages } = await this.api.get("map/passages", { version: points.version, polygon, contains: this.contains, offset, limit: LISTED }, this.page.signal);
      this.count.textContent = lasso.length ? t.count(matching, "{count} passage in the lasso", "{count} passages in the lasso") : t.count(matching, "{count} passage", "{count} passages");
      if (!offset) fill(this.rows);
      this.rows.append(...passages.map((one) => h("li", h("button.map-row", { type: "button", onclick: () => this.show(one) }, h("span.row", h("strong", one.document), h("span.muted.small", place(one, t))), h("span.map-text", one.text)))));
      this.more.hidden = this.rows.childElementCount >= matching;
    } catch (error) {
      this.page.fail(error);
    }
  }

  /** Bring a passage of the list to the middle of the map. */
  show(one) {
    const scale = Math.max(this.view.scale, 6 * this.whole);
    this.view = { scale, x: this.width / 2 - one.point[0] * scale, y: this.height / 2 + one.point[1] * scale };
    this.draw();
    this.point(one.number, [this.width / 2, this.height / 2]);
    this.stage.scrollIntoView({ block: "nearest" });
  }
}

const distance = ([a, b], [c, d]) => Math.hypot(a - c, b - d);

/** The pixels of a disc as offsets in an image of a width, with how much of each it covers. */
function stamp(radius, width) {
  const reach = Math.ceil(radius);
  const [offsets, alphas] = [[], []];
  for (let y = -reach; y <= reach; y += 1) {
    for (let x = -reach; x <= reach; x += 1) {
      const covered = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x, y)));
      if (covered > 0.05) { offsets.push(y * width + x); alphas.push(Math.round(255 * covered)); }
    }
  }
  return { offsets: Int32Array.from(offsets), alphas: Uint8Array.from(alphas), reach };
}
