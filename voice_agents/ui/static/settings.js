// One tab's settings: drawn from what the browser remembers, told to the session at once, remembered.

import { settings } from "./memory.js";
import { play } from "./playback.js";

export class TabSettings {
  /** `changed(what)`: "turns" or "voice" is to be told to a running session; `sample(voice)`: asks how one sounds. */
  constructor(kind, changed, sample) {
    Object.assign(this, { kind, changed });
    const part = (name) => document.getElementById(`${kind}-${name}`);
    Object.assign(this, { voice: part("voice-choice"), voiceNote: part("voice-note"), patience: part("patience"), detection: part("detection"), mode: part("mode"), language: part("language"), interruptions: part("interruptions") });
    this.range = this.patience.querySelector("input");
    this.output = this.patience.querySelector("output");
    this.range.oninput = () => this.#setPatience(Number(this.range.value));
    this.patience.querySelectorAll(".va-preset").forEach((button) => (button.onclick = () => this.#setPatience(Number(button.dataset.seconds))));
    this.mode.onchange = () => this.#set({ mode: checked(this.mode) });
    this.detection.onchange = () => this.#set({ detection: checked(this.detection) });
    this.interruptions.onchange = () => this.#set({ interruptions: checked(this.interruptions) });
    this.language.onchange = () => this.#set({ language: this.language.value });
    if (this.voice) this.voice.onchange = () => this.#setVoice();
    this.hearing = part("voice-play");
    if (this.hearing) this.hearing.onclick = () => this.#ask(sample);
    this.draw();
  }

  /** What a call or a typed turn asks for. */
  get wanted() {
    return { patience: Number(this.range.value), mode: checked(this.mode), detection: checked(this.detection) ?? null, language: this.language.value, interruptions: checked(this.interruptions), voice: this.voice?.value ?? "" };
  }

  get byHand() {
    return checked(this.mode) === "push to talk";
  }

  draw() {
    const { patience, mode, detection, language, interruptions } = settings.get();
    if (language !== undefined && !this.language.disabled) this.language.value = language;
    if (patience) this.range.value = patience;
    this.output.textContent = `${Number(this.range.value).toFixed(1)} s`;
    this.patience.querySelectorAll(".va-preset").forEach((it) => it.setAttribute("aria-pressed", String(it.dataset.seconds === this.range.value)));
    if (mode) check(this.mode, mode);
    if (detection) check(this.detection, detection);
    if (interruptions) check(this.interruptions, interruptions);
    const choosesDetection = Boolean(this.detection.querySelector("input"));
    this.detection.hidden = this.byHand || !choosesDetection;
    this.patience.hidden = this.byHand || (choosesDetection && checked(this.detection) === "semantic_vad");
  }

  offerVoices({ voices, chosen, note }) {
    if (!this.voice) return;
    this.voice.replaceChildren(...voices.map(([name, id]) => new Option(name, id)));
    const remembered = settings.get().voices[this.kind];
    this.voice.value = voices.some(([, id]) => id === remembered) ? remembered : chosen;
    this.voiceNote.textContent = note;
  }

  #ask(sample) {
    this.voiceNote.textContent = sample(this.voice.value) ? "One moment." : "The server does not answer.";
  }

  async hearSample({ rate, pcm, text }) {
    this.voiceNote.textContent = text ?? "";
    if (!pcm) return;
    const bytes = Uint8Array.from(atob(pcm), (letter) => letter.charCodeAt(0));
    await play(new Int16Array(bytes.buffer), rate);
  }

  setMode(mode) {
    this.#set({ mode });
  }

  #setVoice() {
    settings.set({ voices: { ...settings.get().voices, [this.kind]: this.voice.value } });
    this.changed("voice");
  }

  #setPatience(patience) {
    this.#set({ patience });
  }

  #set(change) {
    settings.set(change);
    this.draw();
    this.changed("turns");
  }
}

const checked = (group) => group.querySelector("input:checked")?.value;
const check = (group, value) => group.querySelectorAll("input").forEach((it) => (it.checked = it.value === value));
