// embed.
import { empty } from "./widgets.js";

export function render(main, api, t) {
  main.append(empty("embed", t("Embed")));
}
