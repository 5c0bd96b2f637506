// The description of the API, drawn from api/v1/openapi.json. Nothing is loaded from elsewhere.
import { fill, h } from "./dom.js";

const CHANGES = "It changes something, so it needs the token of this server: Authorization: Bearer TOKEN.";

/** Show what stands between backticks as code. */
const prose = (text) => text.split("`").map((part, at) => (at % 2 ? h("code", part) : part));

/** Say a schema in a few words. */
function kind(schema) {
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  return schema.type ?? "anything";
}

function table(rows) {
  return rows.length > 0 && h("table",
    h("thead", h("tr", ["Name", "Type", "Meaning"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", rows.map(({ name, required, schema, description }) => h("tr",
      h("th", { scope: "row" }, h("code", name), required && " (required)"),
      h("td", kind(schema), schema.default !== undefined && ` [${JSON.stringify(schema.default)}]`),
      h("td", prose(description || schema.description || ""))))));
}

const members = (schema) => Object.entries(schema.properties ?? {}).map(([name, one]) => ({ name, schema: one, required: schema.required.includes(name) }));

/** Write a call for a shell. */
function example(method, path, operation, body) {
  const wanted = operation.parameters.filter((one) => one.required && one.in === "query");
  const query = wanted.map((one, at) => `${at ? "&" : "?"}${one.name}=...`).join("");
  const parts = [`curl '${location.origin}${path}${query}'`];
  if (method !== "get" && !body) parts[0] = `curl -X ${method.toUpperCase()} '${location.origin}${path}'`;
  if (operation.security) parts.push("-H 'Authorization: Bearer TOKEN'");
  if (body) {
    const [one] = body.oneOf ?? [body];
    const needed = members(one).filter((member) => member.required);
    const sent = Object.fromEntries(needed.map(({ name, schema }) => [name, schema.const ?? (schema.type === "array" ? ["..."] : "...")]));
    parts.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(sent)}'`);
  }
  return parts.join(" \\\n  ");
}

function section(method, path, operation) {
  const body = operation.requestBody?.content["application/json"].schema;
  return h("section", { id: operation.operationId },
    h("h2", `${method.toUpperCase()} ${path}`),
    h("p", prose(`${operation.summary}. ${operation.description}`)),
    operation.security && h("p.muted", CHANGES),
    table(operation.parameters),
    (body?.oneOf ?? (body ? [body] : [])).map((one) => table(members(one))),
    h("pre", { tabindex: "0" }, h("code", example(method, path, operation, body))));
}

const answer = await fetch("api/v1/openapi.json");
const main = document.getElementById("main");
if (answer.ok) {
  const { info, paths } = await answer.json();
  fill(main,
    h("h1", "HTTP API"),
    h("p", prose(info.description), " ", h("a", { href: "api/v1/openapi.json" }, "openapi.json")),
    h("p", "An error is an object with title, detail, hint, status and exit_code (RFC 9457)."),
    Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => section(method, path, operation))));
} else {
  main.append(h("p", `The description could not be loaded: ${answer.status}`));
}
