// The language of the page. The English text is the key, as with gettext; a text without a translation stays English.
import { ZH } from "./zh.js";
import { recall, remember } from "./memory.js";

export const LANGUAGES = { en: "English", zh: "中文" };
const isChinese = (language) => language.toLowerCase().startsWith("zh");
let language = recall("language") ?? (isChinese(navigator.language) ? "zh" : "en");

export const current = () => language;

export function choose(next) {
  language = next;
  remember("language", next);
  document.documentElement.lang = next === "zh" ? "zh-Hans" : "en";
}

/** Translate a text; {name} in it becomes a value, and a number gets its separators. */
export function t(text, values = {}) {
  const template = (language === "zh" && ZH[text]) || text;
  return template.replace(/\{(\w+)\}/g, (all, name) => (name in values ? shown(values[name]) : all));
}

/** Translate a count: t.count(3, "{count} passage", "{count} passages"). */
t.count = (count, one, many) => t(count === 1 && language === "en" ? one : many, { count });

/** Mark a text in a table, which t translates where it is shown; so the test of the catalogue finds it. */
export const N = (text) => text;

const shown = (value) =>
  typeof value === "number"
    ? value.toLocaleString(language === "zh" ? "zh-CN" : "en", { maximumFractionDigits: 3 })
    : String(value);
