// Draws programs as they arrive. Whatever a model or a program wrote becomes text, never markup.

const MOVES = { sample: "sampled", refine: "refined", repair: "repaired" };

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Set a text; a text that is there already is not announced again.
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

export class Programs {
  // The rounds of one search, and a card for each of its programs.
  constructor(place, starter) {
    this.place = place;
    this.starter = starter;
    this.cards = [];
    this.passed = 0;
    place.replaceChildren();
  }

  get waiting() {
    return this.cards.filter((card) => card.item.classList.contains("waiting")).length;
  }

  begin({ round, first, moves }) {
    const kinds = [...new Set(moves)].map((move) => `${moves.filter((m) => m === move).length} ${MOVES[move]}`);
    const cards = moves.map((move, place) => new Card(first + place, move));
    this.cards.push(...cards);
    const list = element("ol", { className: "programs" }, ...cards.map((card) => card.item));
    this.place.prepend(element("section", {}, element("h3", { textContent: `Round ${round}: ${kinds.join(", ")}` }), list));
  }

  write({ index, program }) {
    this.cards[index].write(program);
  }

  judge(program) {
    this.passed += program.examples?.outcome === "passed";
    this.cards[program.index].judge(program, this.starter);
    if (program.move === "refine") this.cards[program.parent].cut(program.kept);
  }

  crown({ index }) {
    this.cards[index].item.classList.add("best");
  }

  // No more news of the programs that are on the way.
  leave(why) {
    for (const { item, verdict } of this.cards) {
      if (item.classList.replace("waiting", "left")) say(verdict, why);
    }
  }
}

class Card {
  constructor(index, move) {
    this.origin = element("span", { className: "muted", textContent: MOVES[move] });
    this.verdict = element("span", { className: "pill", textContent: "writing" });
    this.code = element("code");
    this.said = element("p", { className: "token-said" });
    this.pre = element("pre", { hidden: true }, this.code);
    const head = element("header", {}, element("b", { textContent: `#${index + 1}` }), this.origin, this.verdict);
    this.item = element("li", { className: "program card waiting" }, head, this.pre, this.said);
    this.item.dataset.index = index;
    this.tokens = [];
    this.cuts = new Set();
  }

  write(program) {
    say(this.verdict, "running");
    say(this.code, program);
    this.pre.hidden = false;
  }

  judge({ program, tokens, move, parent, kept, examples, pass_prob: passProb }, starter) {
    this.item.classList.remove("waiting");
    const outcome = examples?.outcome ?? "not tested";
    say(this.verdict, outcome.replaceAll("_", " "));
    this.verdict.classList.add(outcome === "passed" ? "passed" : examples ? "failed" : "untested");
    const from = parent === null ? "" : ` from #${parent + 1}`;
    say(this.origin, `${MOVES[move]}${from} · p(passed) ${percent(passProb)}`);
    this.draw(program, tokens, kept, starter);
    if (examples && outcome !== "passed") this.item.append(failure(examples));
  }

  // The tokens in their colours, behind the code that was given; what is extracted otherwise is shown as written.
  draw(program, tokens, kept, starter) {
    const given = starter && program.startsWith(starter) ? [element("span", { className: "given", textContent: starter })] : [];
    this.tokens = tokens.map(({ text, pass_prob }, place) => {
      const span = element("span", { className: `v${Math.round(pass_prob * 10)}`, textContent: text });
      if (place < kept) span.classList.add("kept");
      return { span, text, passProb: pass_prob };
    });
    this.code.replaceChildren(...given, ...this.tokens.map(({ span }) => span));
    this.pre.tabIndex = 0;
    this.pre.setAttribute("aria-label", `Program ${Number(this.item.dataset.index) + 1}; arrow keys go from token to token`);
    this.pre.addEventListener("click", ({ target }) => this.point(this.tokens.findIndex(({ span }) => span === target)));
    this.pre.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.point(Math.min(Math.max((this.place ?? -1) + step, 0), this.tokens.length - 1));
    });
  }

  // Say what the critic says after a token.
  point(place) {
    this.tokens[this.place]?.span.classList.remove("now");
    const token = this.tokens[place];
    if (!token) return;
    this.place = place;
    token.span.classList.add("now");
    this.said.setAttribute("role", "status");
    const shown = element("b", { textContent: JSON.stringify(token.text) });
    this.said.replaceChildren(`token ${place + 1} of ${this.tokens.length}, `, shown, `: p(passed) ${percent(token.passProb)}`);
  }

  // A mark behind the tokens that another program kept.
  cut(kept) {
    if (this.cuts.has(kept) || !this.tokens[kept - 1]) return;
    this.cuts.add(kept);
    const mark = element("span", { className: "cut-mark", title: `cut after token ${kept}` });
    this.tokens[kept - 1].span.after(mark);
  }
}

function failure({ outcome, error_type: type, error_line: line, failure: first }) {
  const list = element("dl");
  const add = (name, text) => list.append(element("dt", { textContent: name }), element("dd", { textContent: text }));
  if (type) add("error", line ? `${type} in line ${line}` : type);
  if (first) {
    add(`test ${first.index + 1}`, first.given);
    add("expected", first.expected);
    add("got", first.got);
  }
  if (!list.childElementCount) add("end", outcome.replaceAll("_", " "));
  return list;
}

export function percent(share) {
  return `${(100 * share).toFixed(0)}\u00a0%`;
}
