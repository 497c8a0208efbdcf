// The page: a problem and its tests go to the server, what the search does comes back.

import { element, percent, Programs, say } from "./programs.js";
import { LostError, get, ServerError, solve } from "./solve.js";
import * as tests from "./tests.js";

const NUMBERS = ["n", "max_tokens", "budget", "temperature", "seed"];
const MOVES = { sample: "sampled", refine: "refined", repair: "repaired" };
const LOADING_MS = 1000;
const NARROW = matchMedia("(max-width: 900px)"); // results stand below the form

const at = (id) => document.getElementById(id);
const key = () => at("key").value.trim();
let picks = [];
let search = null;

async function greet() {
  try {
    const [model] = (await get("v1/models", key())).data;
    const parts = [model.critic_sampling ? "a critic" : null, model.repair ? "a repair model" : null].filter(Boolean);
    say(at("server"), `${model.id}${parts.length ? ` with ${parts.join(" and ")}` : ""}`);
    at("start").disabled = !model.critic_sampling;
    say(at("form-error"), model.critic_sampling ? "" : "This server has no critic, so it cannot search; start it with --critic.");
    say(at("key-error"), "");
    if (!picks.length) await offer();
  } catch (error) {
    at("start").disabled = true;
    if (error.status === 401) askForKey();
    else if (error.status === 503) setTimeout(greet, LOADING_MS);
    say(at("server"), error.status === 401 ? "This server asks for a key." : `${sentence(error)}`);
  }
}

// The problems to pick from; the first one is shown unless somebody has begun to write.
async function offer() {
  picks = (await get("v1/problems", key())).data;
  at("pick").append(...picks.map(({ problem }, place) => element("option", { value: place, textContent: short(problem) })));
  if (!at("problem").value && !at("tests").childElementCount) pick(0);
}

function pick(place) {
  const { problem, interface: kind, entry_point: entry, starter_code: starter, example_tests: examples } = picks[place];
  at("pick").value = place;
  at("problem").value = problem;
  at("interface").value = kind;
  at("entry_point").value = entry ?? "";
  at("starter_code").value = starter;
  showTests(examples);
}

function showTests(examples) {
  tests.show(at("interface").value, examples);
  at("entry-part").hidden = at("interface").value !== "function";
}

// The request as JSON, or null where a field is wrong, which is said beside it.
function request() {
  for (const field of at("form").querySelectorAll("[aria-invalid=true]")) field.setAttribute("aria-invalid", "false");
  for (const place of at("form").querySelectorAll(".error")) say(place, "");
  const body = { problem: at("problem").value, interface: at("interface").value, starter_code: at("starter_code").value, stream: true };
  if (!body.problem.trim()) complain("problem", "Expected a sentence or two.");
  if (body.interface === "function") {
    body.entry_point = at("entry_point").value.trim();
    if (!body.entry_point) complain("entry_point", "Expected the name that the tests call.");
  }
  for (const name of NUMBERS) {
    if (at(name).validity.badInput || at(name).validity.rangeUnderflow || at(name).validity.rangeOverflow) complain(name, at(name).validationMessage);
    else if (at(name).value) body[name] = at(name).valueAsNumber;
  }
  const examples = tests.asJson();
  const wrong = at("form").querySelector("[aria-invalid=true]");
  if (wrong) {
    if (at("options").contains(wrong)) at("options").open = true;
    wrong.focus();
    return null;
  }
  return `${JSON.stringify(body).slice(0, -1)}, "example_tests": ${examples}}`;
}

async function start() {
  const body = request();
  if (body === null || search) return;
  search = new AbortController();
  const programs = new Programs(at("rounds"), at("starter_code").value);
  busy(true);
  at("winner").hidden = true;
  tell("Asking…");
  try {
    for await (const event of solve(body, key(), search.signal)) follow(event, programs);
  } catch (error) {
    programs.leave(error.name === "AbortError" ? "stopped" : "lost");
    if (error.name === "AbortError") tell("Stopped.");
    else fail(error, programs);
  } finally {
    search = null;
    busy(false);
  }
}

function follow(event, programs) {
  if (event.object === "solve") return crown(event, programs);
  at("scale").hidden = false;
  if (event.object === "solve.round") programs.begin(event);
  if (event.round === 1 && NARROW.matches) at("status").scrollIntoView();
  if (event.object === "solve.written") programs.write(event);
  if (event.object === "solve.program") programs.judge(event);
  tell(`${count(programs.cards.length)}, ${programs.waiting} on the way, ${programs.passed} pass the example tests.`);
}

// The answer: the winner, to copy, and the ledger.
function crown({ solved, programs: [best], ledger, seed }, programs) {
  tell(`Done: ${count(programs.cards.length)}, ${programs.passed} pass the example tests.`);
  at("winner").hidden = !best;
  if (!best) return;
  programs.crown(best);
  at("winner").classList.toggle("none", solved === false);
  const title = { true: "The winner", false: "None passes; the most promising", null: "Not tested; the most promising" }[solved];
  say(at("winner-title"), `${title}: #${best.index + 1}, p(passed) ${percent(best.pass_prob)}`);
  say(at("winner-code"), best.program);
  say(at("copied"), "");
  const rows = Object.entries(ledger.spent).map(([move, { programs: written, tokens }]) => row(MOVES[move], written, tokens));
  at("ledger").replaceChildren(...rows, row("all", programs.cards.length, `${ledger.tokens} of ${ledger.budget}`));
  say(at("ledger-rest"), `${ledger.rounds} rounds; the critic read ${ledger.critic_tokens} tokens; seed ${seed}`);
}

function row(name, ...values) {
  const cells = values.map((value) => element("td", { textContent: value }));
  return element("tr", {}, element("th", { scope: "row", textContent: name }), ...cells);
}

// Say what went wrong where it went wrong.
function fail(error, programs) {
  if (error instanceof LostError) {
    const kept = programs.cards.length ? " What arrived is below." : "";
    return tell(`${sentence(error)}${kept} Press Solve to search again.`, true);
  }
  if (!(error instanceof ServerError)) throw error;
  tell(programs.cards.length ? "The search ended early." : "Nothing was searched.", true);
  if (error.status === 401) return askForKey();
  const test = /example_tests[.[](\d+)/.exec(error.message);
  if (test && tests.complain(Number(test[1]), error.message)) return;
  if (error.param && at(`${error.param}-error`)) return complain(error.param, error.message);
  say(at("form-error"), sentence(error));
}

function complain(name, text) {
  at(name).setAttribute("aria-invalid", "true");
  if (at("options").contains(at(name))) at("options").open = true;
  say(at(`${name}-error`), text);
}

function askForKey() {
  at("key-part").hidden = false;
  say(at("key-error"), key() ? "This is no right key." : "");
  at("key").focus();
}

function tell(text, lost = false) {
  at("status").classList.toggle("lost", lost);
  say(at("status"), text);
}

function busy(yes) {
  at("start").disabled = yes;
  at("stop").disabled = !yes;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(at("winner-code").textContent);
    say(at("copied"), "Copied.");
  } catch { // pages from other machines without TLS may not
    getSelection().selectAllChildren(at("winner-code"));
    say(at("copied"), "Selected; copy it with your keyboard or menu.");
  }
}

function short(text) {
  return text.length > 70 ? `${text.slice(0, 69)}…` : text;
}

function count(programs) {
  return programs === 1 ? "1 program" : `${programs} programs`;
}

function sentence({ message }) {
  return `${message[0].toUpperCase()}${message.slice(1)}.`;
}

at("pick").addEventListener("change", () => (at("pick").value === "" ? write() : pick(Number(at("pick").value))));
at("interface").addEventListener("change", () => showTests([{}]));
at("add-test").addEventListener("click", () => tests.add().focus());
at("key").addEventListener("change", greet);
at("stop").addEventListener("click", () => search?.abort());
at("copy").addEventListener("click", copy);
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
greet();

function write() {
  for (const name of ["problem", "entry_point", "starter_code"]) at(name).value = "";
  showTests([{}]);
  at("problem").focus();
}
