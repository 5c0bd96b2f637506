// Elements without HTML: every text becomes a text node, so a document's content cannot become markup.

/**
 * Make an element: h("button.primary", {onclick: save, "aria-label": name}, "Save").
 * The first argument is a tag with classes. A property that starts with "on" is a listener; `style` sets custom
 * properties; `data` sets data attributes; true and false set or leave out an attribute. Children are nodes, texts and
 * lists of both; null, undefined and false are left out.
 */
export function h(selector, ...rest) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  const properties = isProperties(rest[0]) ? rest.shift() : {};
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...nodes(rest));
  if ("value" in properties) element.value = properties.value; // a select has its options by now
  return element;
}

/** Replace everything in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

const nodes = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
const isProperties = (value) =>
  value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);

function set(element, name, value) {
  if (value === null || value === undefined || value === false || name === "value") return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
  else if (name === "data") Object.assign(element.dataset, value);
  else element.setAttribute(name, value === true ? "" : value);
}

const SVG = "http://www.w3.org/2000/svg";

/** Draw an icon of the table below. It is decoration: the element around it has the name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

const ICONS = {
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.3 15.3 20 20",
  duplicates: "M8 8h11v11H8zM5 16V5h11",
  label: "M4 12.5 9 17.5 20 6.5",
  tune: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  embed:
    "M5 5h2v2H5zM11 5h2v2h-2zM17 5h2v2h-2zM5 11h2v2H5zM11 11h2v2h-2zM17 11h2v2h-2zM5 17h2v2H5zM11 17h2v2h-2zM17 17h2v2h-2z",
  clusters:
    "M8 10.5a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM17 14a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM9.500 20.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  drift: "M4 16c3 0 4-9 7-9s4 6 9 6M4 20h16",
  adapt: "M4 17l5-5 4 3 7-8M15 7h5v5",
  triage: "M4 7h7M4 12h7M4 17h7M14 7.500l2 2 4-4M14 16.500l2 2 4-4",
  compare: "M9 5H4v14h5M15 5h5v14h-5M12 3v18",
  map: "M5 8a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM9 13a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM6 17a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM13.5 6.5a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM17 11a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM13 17a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM17.5 17a1 1 0 1 0 2 0 1 1 0 0 0-2 0Z",
  index:
    "M4 7c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3ZM4 7v10c0 1.7 3.6 3 8 3s8-1.3 8-3V7M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
  close: "M6 6l12 12M18 6 6 18",
  light:
    "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 3v1.5M12 19.5V21M4.2 4.2l1.1 1.1M18.7 18.7l1.1 1.1M3 12h1.5M19.5 12H21M4.2 19.8l1.1-1.1M18.7 5.3l1.1-1.1",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  keyboard: "M3 7h18v10H3zM7 10.5h.01M10.5 10.5h.01M14 10.5h.01M17 10.5h.01M8 14h8",
  language:
    "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16ZM4 12h16M12 4c2.3 2.2 3.5 5 3.5 8s-1.2 5.8-3.5 8c-2.3-2.2-3.5-5-3.5-8S9.7 6.2 12 4Z",
  download: "M12 4v11M7.500 11 12 15.500 16.500 11M5 19.500h14",
  warning: "M12 4 3 19.500h18L12 4ZM12 10v4.500M12 17h.01",
  folder: "M3.500 6.500h6l2 2h9v10h-17z",
  similar: "M9 15a5 5 0 1 0 0-10 5 5 0 0 0 0 10ZM15 19a5 5 0 1 0 0-10",
  file: "M6 3.500h8l4 4v13H6zM14 3.500v4h4",
};
