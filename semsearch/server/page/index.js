// index.
import { empty } from "./widgets.js";

export function render(main, api, t) {
  main.append(empty("index", t("Index")));
}
