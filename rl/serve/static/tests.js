// The rows of example tests. Values are JSON that the user wrote, and are sent as written: JavaScript's own numbers
// would round a large integer, and make 1 of 1.0.

import { element, say } from "./programs.js";

const FIELDS = {
  function: [
    { name: "input", label: "Arguments (JSON)", tag: "input", empty: "[]" },
    { name: "output", label: "Result (JSON)", tag: "input", empty: "" },
  ],
  stdio: [
    { name: "input", label: "It reads", tag: "textarea", empty: "" },
    { name: "output", label: "It prints", tag: "textarea", empty: "" },
  ],
  assert: [{ name: "line", label: "Python code", tag: "input", empty: "assert " }],
};

const list = document.getElementById("tests");
let kind = "function";
let rows = 0;

// Show tests of a kind: objects whose values are texts, by the names of the fields.
export function show(newKind, tests) {
  kind = newKind;
  list.replaceChildren();
  for (const test of tests) add(test);
}

export function add(test = {}) {
  const number = (rows += 1);
  const fields = FIELDS[kind].map(({ name, label, tag, empty }) => {
    const id = `test-${number}-${name}`;
    const field = element(tag, { id, className: "code", value: test[name] ?? empty, autocomplete: "off", spellcheck: false });
    field.setAttribute("aria-describedby", `test-${number}-error`);
    field.autocapitalize = "off";
    field.dataset.name = name;
    const part = element("div", {}, element("label", { htmlFor: id, textContent: label }), field);
    if (FIELDS[kind].length === 1) part.className = "alone";
    return part;
  });
  const remove = element("button", { type: "button", textContent: "×", title: "Remove this test" });
  remove.setAttribute("aria-label", "Remove this test");
  const error = element("p", { className: "error", id: `test-${number}-error` });
  error.setAttribute("role", "alert");
  const row = element("li", {}, ...fields, remove, error);
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("input, textarea") ?? document.getElementById("add-test")).focus();
  });
  list.append(row);
  return fields[0].lastChild;
}

// All tests as JSON, or null where one is wrong, which it says beside it.
export function asJson() {
  const texts = [...list.children].map((row) => {
    mark(row, "");
    const value = Object.fromEntries([...row.querySelectorAll("[data-name]")].map((f) => [f.dataset.name, f.value]));
    if (kind === "assert") return JSON.stringify(value.line);
    if (kind === "stdio") return JSON.stringify(value);
    const wrong = mistake(value);
    if (wrong) mark(row, wrong.text, wrong.name);
    return wrong ? null : `{"input": ${value.input}, "output": ${value.output}}`;
  });
  return texts.includes(null) ? null : `[${texts.join(", ")}]`;
}

// Say something about a test, by its place from 0; false where there is none.
export function complain(place, text) {
  const row = list.children[place];
  if (row) mark(row, text);
  return Boolean(row);
}

function mistake({ input, output }) {
  const given = parsed(input);
  if (!Array.isArray(given)) {
    return { name: "input", text: `Arguments: expected a JSON list, such as [2, "a"]; got ${input.trim() || "nothing"}` };
  }
  if (parsed(output) === undefined) {
    return { name: "output", text: `Result: expected JSON, such as 5, "text", [1, 2], true or null; got ${output.trim() || "nothing"}` };
  }
  return null;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function mark(row, text, name) {
  for (const field of row.querySelectorAll("[data-name]")) {
    field.setAttribute("aria-invalid", String(Boolean(text) && (name === undefined || field.dataset.name === name)));
  }
  say(row.querySelector(".error"), text);
}
