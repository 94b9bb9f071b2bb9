// The drawer of conversations: this browser's own, found, opened, named, exported, deleted and taken back.

import { Recordings } from "./recordings.js";
import { openSheet } from "./sheets.js";

const SEARCH_PAUSE_MS = 250;
const UNDO_MS = 55000; // the server keeps what was deleted a little longer

const byId = (id) => document.getElementById(id);
const element = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });
const button = (text, className, onclick) => Object.assign(element("button", className, text), { type: "button", onclick });
const names = { sandwich: "Sandwich", realtime: "Realtime" };

export class Drawer {
  /** `page`: { ask(message) -> sent, open(conversation, kind), begin(), left(), current() -> id }. Nothing happens without the sheet. */
  constructor(page) {
    this.page = page;
    this.sheet = byId("va-drawer");
    if (!this.sheet) return;
    this.search = byId("va-search");
    this.list = byId("va-shelf");
    [this.told, this.undo] = byId("va-drawer-line").children;
    this.recorded = new Set();
    this.search.oninput = () => {
      clearTimeout(this.searching);
      this.searching = setTimeout(() => this.#ask({ do: "list" }), SEARCH_PAUSE_MS);
    };
    this.undo.onclick = () => this.undo.act?.();
    this.sheet.addEventListener("close", () => this.#tell(""));
    byId("va-drawer-new").onclick = () => this.#leave(() => this.page.begin());
    byId("va-conversations").onclick = () => this.open();
    this.#prepareEverything();
  }

  open() {
    if (!this.sheet) return;
    this.search.value = "";
    this.#ask({ do: "list" });
    openSheet(this.sheet);
  }

  /** What the server answers. */
  async hear(message) {
    if (message.type === "refused") return this.#tell(message.text);
    if (message.type === "forgotten") return this.#forgotten();
    if (message.type === "export") return save(new Blob([message.text], { type: types[message.format] }), this.#fileName(message.conversation, message.format));
    if (message.search !== this.search.value) return; // an older question's
    this.recorded = await Recordings.conversations();
    this.#draw(message);
  }

  #ask(message) {
    if (!this.page.ask({ search: this.search.value, ...message })) this.#tell("The server does not answer. Try again in a moment.");
  }

  #tell(text, label = "", act = null) {
    clearTimeout(this.fading);
    this.told.textContent = text;
    if (!act && document.activeElement === this.undo) this.search.focus(); // what is hidden cannot keep it
    Object.assign(this.undo, { hidden: !act, textContent: label, act });
    if (act) this.fading = setTimeout(() => this.#tell(""), UNDO_MS);
  }

  // --- the list ---

  #draw({ items, notes, search }) {
    this.items = items;
    const open = this.list.querySelector("[aria-expanded=true]")?.closest("li").dataset.id;
    const focused = this.list.contains(document.activeElement) && focusOf(document.activeElement);
    this.list.replaceChildren(...items.map((item) => this.#item(item, item.id === open)));
    if (!items.length) this.list.append(element("li", "va-quiet va-none", search ? `Nothing holds “${search}”.` : "Nothing yet. What you say here is kept for you."));
    if (focused) refocus(this.list, focused);
    this.#drawNotes(notes);
  }

  #item(item, open) {
    const line = element("li", "va-item");
    line.dataset.id = item.id;
    const main = button("", "va-open", () => this.#continue(item, item.engine));
    const title = element("b", "", item.title || "Without words");
    title.dir = "auto";
    main.append(title, this.#about(item));
    if (item.id === this.page.current()) main.setAttribute("aria-current", "true");
    const more = button("", "va-tool va-more", () => this.#toggle(line, more));
    more.innerHTML = MORE;
    more.setAttribute("aria-label", `More for ${title.textContent}`);
    more.setAttribute("aria-expanded", String(open));
    const deeds = element("div", "va-deeds");
    deeds.hidden = !open;
    deeds.append(...this.#deeds(item, line));
    line.append(main, more, deeds);
    return line;
  }

  #about({ id, engine, turns, updated }) {
    const about = element("span", "va-about");
    const time = element("time", "", age(updated));
    time.dateTime = new Date(1000 * updated).toISOString();
    const parts = [names[engine], `${turns} turn${turns === 1 ? "" : "s"}`, time, this.recorded.has(id) ? "recorded" : ""].filter(Boolean);
    parts.forEach((part, number) => about.append(number ? " · " : "", part));
    return about;
  }

  #deeds(item, line) {
    const kinds = Object.keys(names).map((kind) => button(`Continue in ${names[kind]}`, "va-preset", () => this.#continue(item, kind)));
    const exports = Object.entries(formats).map(([format, name]) => {
      const it = button(name, "va-preset", () => this.#ask({ do: "export", of: item.id, format }));
      it.setAttribute("aria-label", `Export as ${name}`);
      return it;
    });
    const wav = button("WAV", "va-preset", () => this.#exportSound(item));
    wav.setAttribute("aria-label", "Export the recording as WAV");
    const rename = button("Rename", "va-preset", () => this.#rename(item, line));
    const group = element("div", "va-export");
    group.append(element("span", "", "Export"), ...exports, ...(this.recorded.has(item.id) ? [wav] : []));
    return [...kinds, group, rename, button("Delete", "va-preset va-danger", () => this.#delete(item))];
  }

  #toggle(line, more) {
    const open = more.getAttribute("aria-expanded") !== "true";
    for (const other of this.list.querySelectorAll(".va-more[aria-expanded=true]")) {
      other.setAttribute("aria-expanded", "false");
      other.nextElementSibling.hidden = true;
    }
    more.setAttribute("aria-expanded", String(open));
    more.nextElementSibling.hidden = !open;
    if (open) line.scrollIntoView({ block: "nearest" });
  }

  // --- what is done with one ---

  #continue(item, kind) {
    this.#leave(() => this.page.open(item.id, kind));
  }

  /** On to a conversation, where the next press talks. */
  #leave(go) {
    this.sheet.close();
    go();
    this.page.left();
  }

  #rename(item, line) {
    const form = element("form", "va-rename");
    const box = Object.assign(element("input"), { value: item.title, maxLength: 120 });
    box.setAttribute("aria-label", "Name of this conversation");
    const back = () => {
      form.replaceWith(main);
      line.querySelector(".va-more").focus();
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#ask({ do: "rename", of: item.id, name: box.value });
      back();
    };
    box.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault(); // the drawer stays
      event.stopPropagation();
      back();
    };
    form.append(box, Object.assign(button("Save", "va-preset", null), { type: "submit" }));
    const main = line.querySelector(".va-open");
    main.replaceWith(form);
    box.select();
  }

  #delete(item) {
    Recordings.deleteLater(item.id);
    const wasCurrent = item.id === this.page.current();
    this.#ask({ do: "delete", of: item.id });
    this.#tell(`“${item.title}” is deleted.`, "Undo", () => {
      Recordings.keep(item.id);
      this.#ask({ do: "take_back", of: item.id });
      if (wasCurrent) this.page.open(item.id, item.engine);
      this.#tell(`“${item.title}” is back.`);
    });
    this.undo.focus();
  }

  async #exportSound(item) {
    this.#tell("The recording is put together.");
    save(await Recordings.wav(item.id), this.#fileName(item.id, "wav"));
    this.#tell("");
  }

  #fileName(id, format) {
    const title = this.items.find((item) => item.id === id)?.title ?? "";
    return `${title.replace(/[^\p{L}\p{N} ]+/gu, "").trim().slice(0, 60) || "Conversation"}.${format}`;
  }

  // --- notes, and everything ---

  #drawNotes(notes) {
    const section = byId("va-notes");
    section.hidden = !notes.length;
    section.querySelector("ul").replaceChildren(
      ...notes.map(({ id, text }) => {
        const line = element("li");
        const words = element("span", "", text);
        words.dir = "auto";
        const forget = button("", "va-tool", () => {
          this.#ask({ do: "delete_note", note: id });
          this.#tell("The note is deleted.");
          this.search.focus();
        });
        forget.innerHTML = BIN;
        forget.setAttribute("aria-label", `Delete the note ${text}`);
        line.append(words, forget);
        return line;
      }),
    );
  }

  #prepareEverything() {
    const sure = byId("va-sure");
    const [yes, no] = sure.querySelectorAll("button");
    const first = byId("va-delete-all");
    const ask = (asks) => {
      Object.assign(sure, { hidden: !asks });
      first.hidden = asks;
      (asks ? no : first).focus();
    };
    first.onclick = () => ask(true);
    no.onclick = () => ask(false);
    yes.onclick = () => {
      this.#ask({ do: "delete_everything" });
      ask(false);
    };
  }

  async #forgotten() {
    await Recordings.deleteAll();
    this.search.value = "";
    this.#draw({ items: [], notes: [], search: "" });
    this.#tell("Everything of yours is deleted.");
  }
}

const formats = { md: "Markdown", json: "JSON" };
const types = { md: "text/markdown", json: "application/json" };

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function age(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  const [unit, length] = UNITS.find(([, length]) => passed >= length) ?? ["", 1];
  return unit ? new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(passed / length), unit) : "just now";
}

/** Which thing in which line has the focus, to give it back to its successor when the list is drawn anew. */
const focusOf = (it) => ({ id: it.closest("li")?.dataset.id, text: it.textContent, className: it.className });

function refocus(list, { id, text, className }) {
  const line = [...list.children].find((it) => it.dataset.id === id);
  const same = line && [...line.querySelectorAll("button")].find((it) => it.className === className && it.textContent === text);
  (same ?? line?.querySelector(".va-more") ?? document.getElementById("va-search")).focus();
}

const svg = (paths) => `<svg class="va-icon" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;
const MORE = svg('<g fill="currentColor"><circle cx="5" cy="12" r="1.2"/><circle cx="12" cy="12" r="1.2"/><circle cx="19" cy="12" r="1.2"/></g>');
const BIN = svg('<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13"/>');
