// Search: as you type, with why each passage was found, and its document beside it.
import { empty } from "./widgets.js";

export function render(main, api, t) {
  main.append(empty("search", t("Search")));
}
