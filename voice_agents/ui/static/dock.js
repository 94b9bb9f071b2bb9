// Draws how it looks into one tab's dock: the button that is the state, and the line of truth under it.

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

export class Dock {
  constructor(kind, act) {
    const part = (name) => document.getElementById(`${kind}-${name}`);
    for (const name of ["talk", "status", "banner", "action", "timer", "mute", "end", "truth", "recording"]) this[name] = part(name);
    this.caption = this.talk.querySelector(".va-caption");
    this.end.onclick = () => act("end");
    this.mute.onclick = () => act("mute");
    this.action.onclick = () => act(this.action.dataset.do);
  }

  draw(shown, facts) {
    this.talk.dataset.look = shown.look;
    this.talk.setAttribute("aria-label", shown.label);
    write(this.caption, shown.caption);
    write(this.status, shown.word);
    const said = shown.word === shown.caption || ["ready", "hearing"].includes(shown.look); // the button says it
    this.status.classList.toggle("va-said", said);
    write(this.banner, shown.line.text);
    this.truth.dataset.level = shown.line.level;
    this.action.hidden = !shown.line.action;
    if (shown.line.action) {
      this.action.dataset.do = shown.line.action.do;
      write(this.action, shown.line.action.label);
    }
    const here = facts.call !== "none";
    this.recording.hidden = !facts.recording;
    this.end.hidden = !here;
    this.mute.setAttribute("aria-pressed", String(facts.muted));
    this.mute.setAttribute("aria-label", facts.muted ? "Unmute microphone" : "Mute microphone");
    this.mute.disabled = !here;
  }

  time(seconds) {
    this.timer.hidden = seconds === null;
    if (seconds !== null) write(this.timer, clock(seconds));
  }

  level(value) {
    this.talk.style.setProperty("--level", value.toFixed(2));
  }
}

const write = (element, text) => element.textContent === text || (element.textContent = text);
