// Draws one tab's transcript from the server's lines; words are text, never markup.

const NEAR_END_PX = 80;
const FROM_BEGIN_PX = 300;

const element = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

export class Transcript {
  constructor(list, empty, announce) {
    Object.assign(this, { list, empty, announce, items: new Map() });
    this.scroller = list.parentElement;
    Object.assign(this, { back: false, asked: null, own: [], onback: () => {} });
    this.scroller.addEventListener("scroll", () => this.#lookBack(), { passive: true });
    list.addEventListener("click", ({ target }) => this.#copy(target.closest(".va-copy")));
    list.addEventListener("click", ({ target }) => target.closest(".va-replay") && this.onreplay(Number(target.closest(".va-line").dataset.id), target));
    Object.assign(this, { replayable: () => false, onreplay: () => {} });
  }

  /** Begins anew, with what a conversation already holds; `same`: it is this one, lines of this window's own stay. */
  clear(same = false) {
    this.own = same ? [...this.list.querySelectorAll(".va-own")] : [];
    this.list.replaceChildren();
    this.items.clear();
    this.quiet = true; // what was said earlier is not read out again
    this.asked = null;
  }

  /** How far the end of what is shown is from the end of the transcript. */
  get fromEnd() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  set fromEnd(px) {
    this.scroller.scrollTop = this.scroller.scrollHeight - this.scroller.clientHeight - px;
  }

  /** Near its begin, what was said before is asked for. */
  #lookBack() {
    const first = Number(this.list.firstElementChild?.dataset.id);
    if (!this.back || this.scroller.scrollTop > FROM_BEGIN_PX || this.asked === first) return;
    this.asked = first;
    this.onback(first);
  }

  /** What was said before the line with this id; what is looked at stays where it is. */
  putBefore({ before, lines }) {
    if (Number(this.list.firstElementChild?.dataset.id) !== before) return;
    const { fromEnd } = this;
    this.back = lines.length > 0;
    this.quiet = true;
    for (const line of lines) this.#put(line);
    this.quiet = false;
    this.fromEnd = fromEnd;
    this.#lookBack();
  }

  draw({ lines = [], gone = [], spoken }) {
    const follow = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR_END_PX;
    for (const id of gone) this.#remove(id);
    for (const line of lines) this.#put(line);
    this.list.append(...this.own.splice(0));
    if (spoken) this.#speak(spoken);
    this.quiet = false;
    this.empty.hidden = this.list.childElementCount > 0;
    if (follow) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** A line that only this window knows, such as an outage, in the flow. */
  say(text) {
    const item = element("div", "va-line va-by-system va-own", text);
    const last = this.list.lastElementChild;
    Object.assign(item.dataset, { order: last?.dataset.order ?? 0, id: last?.dataset.id ?? 0 });
    this.list.append(item);
    this.announce(text);
    this.empty.hidden = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** The id of the newest answer; null when there is none. */
  get lastAnswer() {
    const answers = this.list.querySelectorAll("[data-testid=bot]");
    return answers.length ? Number(answers[answers.length - 1].dataset.id) : null;
  }

  /** Its sound can be heard again now. */
  offerReplay(id) {
    const row = this.items.get(id)?.querySelector(".va-after");
    if (row && !row.querySelector(".va-replay")) row.append(replayButton());
  }

  #remove(id) {
    this.items.get(id)?.remove();
    this.items.delete(id);
  }

  #put(line) {
    const known = this.items.get(line.id);
    const settledBefore = known?.dataset.settled === "true";
    const item = known ?? element("div");
    item.replaceChildren(...parts(line));
    item.className = `va-line va-by-${line.who}${line.settled ? "" : " va-growing"}`;
    item.dir = "auto";
    // `data-testid` names who speaks, as gradio's own transcript does.
    Object.assign(item.dataset, { id: line.id, order: line.order, settled: line.settled, testid: testids[line.who] });
    item.dataset.unheard = Boolean(line.unheard);
    if (this.replayable(line.id)) item.querySelector(".va-after")?.append(replayButton());
    if (line.who === "agent" && !line.unheard) split(item, this.spoken?.[line.id] ?? (line.settled ? null : 0));
    if (!known) {
      this.items.set(line.id, item);
      this.#insert(item, line);
    }
    if (line.settled && !settledBefore && !this.quiet) this.announce(spoken(line));
  }

  /** Words not spoken yet are pale; `spoken`: by line, how many characters were heard. */
  #speak(spoken) {
    this.spoken = spoken;
    for (const [id, item] of this.items) {
      if (item.dataset.testid === "bot" && item.dataset.unheard !== "true") split(item, spoken[id] ?? null);
    }
  }

  #insert(item, line) {
    let before = this.list.lastElementChild;
    while (before && isLater(before.dataset, line)) before = before.previousElementSibling;
    before ? before.after(item) : this.list.prepend(item);
  }

  async #copy(button) {
    if (!button || button.matches(".va-replay")) return;
    await navigator.clipboard?.writeText(button.closest(".va-line").querySelector(".va-words").textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }
}

/** The words up to `length` are heard, the rest is only written; null: all of it stands. */
function split(item, length) {
  const words = item.querySelector(".va-words");
  const text = words.textContent;
  if (length === null || length >= text.length) return words.childElementCount ? words.replaceChildren(text) : undefined;
  words.replaceChildren(text.slice(0, length), element("span", "va-written", text.slice(length)));
}

const testids = { user: "user", agent: "bot", tool: "tool" };
const isLater = ({ order, id }, line) => Number(order) > line.order || (Number(order) === line.order && Number(id) > line.id);
const names = { user: "You", agent: "Agent", tool: "Tool" };
const spoken = (line) => (line.who === "tool" ? `Tool ${line.tool}` : `${names[line.who]}: ${line.text}`);

function parts(line) {
  if (line.who === "tool") return [chip(line)];
  const words = element("span", "va-words");
  words.append(line.text);
  if (line.unheard) {
    const unheard = element("del", "va-unheard", line.unheard.trim());
    unheard.title = "Not heard: you interrupted here";
    words.append(line.text && " ", unheard);
  }
  const who = element("span", "va-who", names[line.who]);
  return line.who === "agent" && line.settled ? [who, words, after(line)] : [who, words];
}

function after(line) {
  const row = element("span", "va-after");
  if (line.ms !== undefined) {
    const time = element("span", "va-ms", `${line.ms} ms`);
    time.title = "From your last sound to the answer's first";
    row.append(time);
  }
  const copy = element("button", "va-copy", "Copy");
  copy.type = "button";
  row.append(copy);
  return row;
}

const replayButton = () => Object.assign(element("button", "va-copy va-replay", "Replay"), { type: "button" });

function chip(line) {
  const details = element("details", "va-chip-line");
  const state = !line.settled ? "…" : line.failed ? "failed" : "";
  const summary = element("summary", "", `${line.tool} ${state}`.trim());
  const short = element("span", "va-result", line.settled ? line.text : "");
  summary.append(short);
  details.append(summary);
  if (line.asked) details.append(element("p", "", `Asked with ${line.asked}`));
  if (line.settled) details.append(element("p", "", `${line.failed ? "Failed" : "Result"}: ${line.text || (line.failed ? "it did not answer" : "done")}`));
  return details;
}
