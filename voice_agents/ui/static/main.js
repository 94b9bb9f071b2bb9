// The page alive: one state, drawn into the tab that is shown; what the user does goes to the call or to the server.

import { Caller } from "./call.js";
import { prepareDevices } from "./devices.js";
import { Dock } from "./dock.js";
import { Drawer } from "./drawer.js";
import { listenToButton, listenToKeys } from "./keys.js";
import { Link } from "./link.js";
import { identity, place, settings } from "./memory.js";
import { Models } from "./models.js";
import { hush, play } from "./playback.js";
import { Recorder, Recordings } from "./recordings.js";
import { Replays } from "./replays.js";
import { TabSettings } from "./settings.js";
import { openSheet, prepareSheets } from "./sheets.js";
import { after, beginning, look, speaks } from "./state.js";
import { Transcript } from "./transcript.js";

const RELEASE_TAIL_MS = 150; // the last syllable is still on its way when the button comes up
const LEVEL_MS = 80;
const UNDO_MS = 10000;

const byId = (id) => document.getElementById(id);

export function start() {
  if (window.voiceAgents) return;
  window.voiceAgents = new PageController();
}

class PageController {
  constructor() {
    this.facts = beginning();
    this.tabs = new Map();
    this.replays = new Replays();
    this.caller = new Caller((event) => this.tell(event), (kind) => this.#wanted(kind), () => settings.get());
    this.caller.reachable = () => this.facts.server === "here";
    this.caller.said = (text) => this.#tab.transcript.say(text);
    document.querySelectorAll(".va-tab").forEach((root) => this.#addTab(root));
    this.#theme();
    prepareSheets();
    this.devices = prepareDevices(this.caller);
    this.drawer = new Drawer({ ask: (message) => this.link.send(message), open: (id, kind) => this.#open(id, kind), begin: () => this.#new(), left: () => this.#tab.dock.talk.focus(), current: () => identity.get().conversation });
    this.models = new Models([...this.tabs.keys()], (message) => this.link.send(message));
    this.#recordings();
    this.#header();
    listenToKeys((name) => this.act(name));
    this.link = new Link((message) => this.#hear(message), (other, changed) => this.#here(other, changed), () => this.tell({ is: "server_gone" }));
    const remembered = place.get().tab;
    this.show(this.tabs.has(remembered) ? remembered : [...this.tabs.keys()][0]);
    if (place.get().restarted) this.#sayRestarted();
    setInterval(() => this.#levels(), LEVEL_MS);
    window.addEventListener("pagehide", () => this.facts.call === "none" || this.#hangUp());
  }

  get #tab() {
    return this.tabs.get(this.facts.kind);
  }

  /** An event of the state: change it, draw it. */
  tell(event) {
    const before = this.facts;
    this.facts = after(before, event);
    if (this.facts === before) return;
    this.caller.microphone.speak(speaks(this.facts));
    if (event.is === "up") this.#upAgain(before.call === "lost");
    if (event.is === "ended") this.#recorded();
    this.#followAnswer(before);
    this.#draw();
  }

  #draw() {
    const shown = look(this.facts);
    this.#tab.dock.draw(shown, this.facts);
    this.#announce(shown);
  }

  #announce({ word, line }) {
    const spoken = byId(line.level === "error" ? "va-alert" : "va-status");
    const text = line.level === "error" ? line.text : word;
    if (spoken.textContent !== text) spoken.textContent = text;
    if (line.level !== "error") byId("va-alert").textContent = "";
  }

  // --- the server ---

  /** `other`: another process than before; `changed`: its page is another one, too. */
  #here(other, changed) {
    if (changed) {
      place.set({ restarted: true });
      return location.reload();
    }
    this.tell({ is: "server_here" });
    this.link.send({ do: "open", kind: this.facts.kind, ...identity.get() });
    if (!other) return;
    if (this.facts.call === "none") this.#sayRestarted();
    else this.caller.goOn();
  }

  #hear(message) {
    const { type, lines, gone, spoken, timing, ...rest } = message;
    if (type === "voices") return this.tabs.get(message.kind)?.settings.offerVoices(message);
    if (type === "give_back") return this.#giveBack(message.text);
    if (["conversations", "refused", "forgotten", "export"].includes(type)) return this.drawer.hear(message);
    if (type === "models") return this.models.hear(message);
    if (type === "sample") return this.tabs.get(message.kind)?.settings.hearSample(message);
    if (type === "earlier") return this.tabs.forEach(({ transcript }) => transcript.putBefore(message));
    if (type === "sheet") this.#begin(message);
    else if (message.fresh) this.tabs.forEach(({ transcript }) => transcript.clear(true));
    for (const tab of this.tabs.values()) {
      if (message.fresh) tab.transcript.back = message.back;
      tab.transcript.draw({ lines, gone, spoken });
      if (timing?.[tab.kind]) byId(`${tab.kind}-latency`).innerHTML = timing[tab.kind];
    }
    const session = Object.fromEntries(Object.entries(rest).filter(([name]) => name in this.facts.session));
    if (Object.keys(session).length) this.tell({ is: "session", session });
  }

  #begin({ owner, conversation }) {
    const same = identity.get().conversation === conversation;
    identity.set({ owner, conversation });
    for (const tab of this.tabs.values()) tab.transcript.clear(same);
    if (same && place.get().scroll !== null) requestAnimationFrame(() => (this.#tab.transcript.fromEnd = place.get().scroll));
  }

  #giveBack(text) {
    const { box } = this.#tab;
    box.value = box.value ? `${text}\n${box.value}` : text;
    this.#keepDraft();
  }

  #wanted(kind) {
    return { ...identity.get(), ...this.tabs.get(kind).settings.wanted };
  }

  #sayRestarted() {
    place.set({ restarted: false });
    this.tell({ is: "note", note: "The server was restarted. The conversation goes on where you were." });
  }

  // --- what the user does ---

  act(name) {
    const deeds = {
      press: () => this.act(look(this.facts).press),
      start: () => this.caller.start(this.facts.kind),
      cancel: () => this.#hangUp(),
      end: () => this.#hangUp(),
      hint: () => this.tell({ is: "note", note: this.facts.byHand ? "" : "Just speak. End conversation hangs up." }),
      interrupt: () => this.#cut({ do: "interrupt" }),
      end_turn: () => this.link.send({ do: "end_turn" }),
      mute: () => this.facts.call !== "none" && this.tell({ is: "muted", muted: !this.facts.muted }),
      unmute: () => this.tell({ is: "muted", muted: false }),
      new: () => this.#new(),
      undo: () => this.#undo(),
      conversations: () => this.drawer.open(),
      type: () => this.#tab.box.focus(),
      help: () => openSheet(byId("va-help")),
      down: () => this.tell({ is: "pressed", pressed: true }), // who holds speaks at once
      up: () => this.tell({ is: "pressed", pressed: false }),
      hold: () => this.#hold(),
      release: () => this.#release(),
    };
    deeds[name]?.();
  }

  /** What ends an answer, with how far it was heard. */
  #cut(message) {
    return this.link.send({ ...message, played: this.caller.played });
  }

  #hold() {
    if (this.facts.server !== "here" || this.facts.held) return;
    if (!this.facts.byHand) this.#tab.settings.setMode("push to talk");
    if (this.facts.call === "none") this.caller.start(this.facts.kind);
    if (look(this.facts).press === "interrupt") this.act("interrupt");
    this.tell({ is: "held", held: true });
  }

  #release() {
    if (!this.facts.held) return;
    setTimeout(() => {
      this.tell({ is: "held", held: false });
      this.link.send({ do: "end_turn" });
    }, RELEASE_TAIL_MS);
  }

  #new() {
    const before = { ...identity.get() };
    if (this.facts.call !== "none") this.#hangUp();
    identity.renew();
    place.set({ scroll: null });
    this.link.send({ do: "new", conversation: identity.get().conversation });
    this.undone = before;
    const problem = { level: "info", text: "A new conversation.", action: { label: "Undo", do: "undo" } };
    this.tell({ is: "problem", problem });
    setTimeout(() => this.facts.problem === problem && this.tell({ is: "problem", problem: null }), UNDO_MS);
  }

  #undo() {
    this.#open(this.undone.conversation, this.facts.kind);
  }

  /** Go on with one of this browser's conversations, in this engine. */
  #open(conversation, kind) {
    if (this.facts.call !== "none") this.#hangUp();
    if (this.tabs.has(kind)) this.show(kind);
    identity.set({ conversation });
    place.set({ scroll: null });
    this.link.send({ do: "open", kind: this.facts.kind, ...identity.get() });
    this.tell({ is: "problem", problem: null });
  }

  #say(text) {
    if (!text.trim()) return;
    const { kind } = this.facts;
    if (!this.#cut({ do: "say", kind, text, ...this.#tab.settings.wanted })) return this.#giveBack(text);
    if (this.facts.problem) this.tell({ is: "problem", problem: null });
    if (this.facts.call === "none") this.#hintOnce();
  }

  #hintOnce() {
    if (settings.get().hinted) return;
    settings.set({ hinted: true });
    this.tell({ is: "note", note: "Press the button to hear the answers, too." });
  }

  /** The user ends the call. One that the server ended, or another window took over, is not ours to end. */
  #hangUp() {
    this.#cut({ do: "hang_up", kind: this.facts.callKind });
    this.caller.stop();
  }

  /** Turn to this engine's tab; a call in the other one is over, its microphone shut at once. */
  show(kind) {
    if (this.facts.call !== "none" && this.facts.callKind !== kind) {
      this.link.send({ do: "turn_to", kind });
      this.caller.stop();
    }
    document.querySelectorAll("[role=tab][data-kind]").forEach((it) => it.setAttribute("aria-selected", String(it.dataset.kind === kind)));
    document.querySelectorAll(".va-chip [data-kind]").forEach((it) => (it.hidden = it.dataset.kind !== kind));
    document.querySelectorAll(".va-tab").forEach((it) => (it.hidden = it.dataset.kind !== kind));
    place.set({ tab: kind });
    this.tell({ is: "tab", kind });
    this.tell({ is: "mode", byHand: this.#tab.settings.byHand });
  }

  // --- recordings, if they are wanted ---

  #recordings() {
    const box = byId("va-record");
    Recordings.sweep();
    if (!box) return;
    box.checked = settings.get().record;
    box.onchange = () => {
      settings.set({ record: box.checked });
      box.checked ? this.#record(false) : this.#recorded();
    };
    this.caller.microphone.onopened = (stream) => this.recorder?.follow(stream);
  }

  #upAgain(goesOn) {
    hush();
    this.#record(goesOn);
    this.replays.listen(this.caller.call.voice).catch(() => {}); // then there is nothing to hear again
  }

  /** Each answer of a call can be heard again as it sounded. */
  #followAnswer(before) {
    const speaks = ({ call, session }) => call === "up" && session.status === "Speaking";
    if (speaks(this.facts)) return this.replays.begins();
    if (!speaks(before)) return;
    const { transcript } = this.#tab;
    const line = transcript.lastAnswer;
    if (this.replays.ends(line)) this.tabs.forEach((tab) => tab.transcript.offerReplay(line));
  }

  async #replay(line, button) {
    if (button.textContent === "Stop") return hush();
    button.textContent = "Stop";
    await play(this.replays.sound(line), this.replays.rate);
    button.textContent = "Replay";
  }

  #record(goesOn) {
    if (!settings.get().record || this.facts.call !== "up") return;
    this.recorder?.stop();
    this.recorder = new Recorder(identity.get().conversation, this.caller.call, this.caller.microphone.stream, goesOn ? this.recorder : null);
    this.tell({ is: "recording", recording: true });
  }

  #recorded() {
    this.recorder?.stop();
    this.recorder = null;
    this.tell({ is: "recording", recording: false });
  }

  // --- parts ---

  #addTab(root) {
    const { kind } = root.dataset;
    const box = root.querySelector("textarea");
    const transcript = new Transcript(byId(`${kind}-chat`), byId(`${kind}-empty`), (text) => this.#readOut(kind, text));
    const tab = { kind, box, transcript, dock: new Dock(kind, (name) => this.act(name)) };
    tab.settings = new TabSettings(kind, (what) => this.#settingChanged(kind, what), (voice) => this.link.send({ do: "hear_voice", kind, voice }));
    this.tabs.set(kind, tab);
    listenToButton(byId(`${kind}-talk`), (name) => this.act(name));
    byId(`${kind}-text`).onsubmit = (event) => {
      event.preventDefault();
      const text = box.value;
      box.value = "";
      this.#keepDraft();
      this.#say(text);
    };
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      byId(`${kind}-text`).requestSubmit();
    });
    box.oninput = () => this.#keepDraft();
    box.value = place.get().drafts[kind] ?? "";
    root.querySelectorAll(".va-example").forEach((button) => (button.onclick = () => this.#say(button.textContent)));
    byId(`${kind}-devices`).onclick = () => (this.devices.fill(), openSheet(byId("va-devices")));
    transcript.scroller.addEventListener("scroll", () => place.set({ scroll: transcript.fromEnd }), { passive: true });
    transcript.replayable = (id) => this.replays.has(id);
    transcript.onreplay = (id, button) => this.#replay(id, button);
    transcript.onback = (before) => this.link.send({ do: "earlier", before });
  }

  #keepDraft() {
    place.set({ drafts: Object.fromEntries([...this.tabs].map(([kind, { box }]) => [kind, box.value])) });
  }

  #settingChanged(kind, what) {
    for (const tab of this.tabs.values()) tab.settings.draw();
    const { wanted, byHand } = this.tabs.get(kind).settings;
    this.link.send(what === "voice" ? { do: "set_voice", voice: wanted.voice } : { do: "set_turns", ...wanted });
    this.tell({ is: "mode", byHand });
  }

  #readOut(kind, text) {
    if (kind !== this.facts.kind) return;
    const log = byId("va-finals");
    log.append(Object.assign(document.createElement("p"), { textContent: text }));
    while (log.childElementCount > 5) log.firstElementChild.remove();
  }

  #header() {
    document.querySelectorAll("[role=tab][data-kind]").forEach((it) => (it.onclick = () => this.show(it.dataset.kind)));
    byId("va-providers").onclick = () => (this.models.ask(), openSheet(byId(`${this.facts.kind}-about`)));
    byId("va-open-timing").onclick = () => openSheet(byId(`${this.facts.kind}-timing`));
    byId("va-open-settings").onclick = () => openSheet(byId(`${this.facts.kind}-settings`));
    byId("va-new").onclick = () => this.act("new");
    byId("va-theme").onclick = () => {
      settings.set({ theme: document.body.classList.contains("dark") ? "light" : "dark" });
      this.#theme();
    };
  }

  #theme() {
    const { theme } = settings.get();
    if (theme) document.body.classList.toggle("dark", theme === "dark");
    document.documentElement.style.colorScheme = document.body.classList.contains("dark") ? "dark" : "light";
  }

  #levels() {
    const { dock } = this.#tab;
    dock.time(this.caller.seconds);
    if (this.facts.call === "none") return dock.level(0);
    const agent = this.facts.session.status === "Speaking";
    dock.level(agent ? this.caller.call?.level ?? 0 : this.caller.microphone.level);
    this.devices.level(this.caller.microphone.level);
  }
}
