// This window's call: opens the microphone, connects, follows devices and outages, ends; every step is an event of the state.

import { AnyCall } from "./any_call.js";
import { Microphone, runs } from "./microphone.js";
import { microphoneProblem, notConnected } from "./state.js";
import { NotConnected } from "./webrtc_call.js";

const REDIAL_MS = 30000; // an outage that lasts longer ends the call
const MAY_RECOVER_MS = 2000; // a short one needs no new connection

export class Caller {
  /** `tell(event)` of the state; `wanted(kind)`: what the call asks for; `choice()`: the devices the user chose. */
  constructor(tell, wanted, choice, Transport = AnyCall) {
    Object.assign(this, { tell, wanted, choice, Transport, call: null, kind: "", way: "", attempt: 0, dialling: false, said: () => {} });
    this.microphone = new Microphone();
    this.microphone.onlost = () => this.#microphoneLost();
  }

  async start(kind) {
    const attempt = ++this.attempt;
    this.kind = kind;
    if (!Microphone.possible) return this.tell({ is: "problem", problem: microphoneProblem("insecure") });
    this.tell({ is: "asking" });
    try {
      await this.microphone.open(this.choice().microphone);
    } catch (error) {
      return attempt === this.attempt && this.#over(microphoneProblem(error.name, navigator.userAgent));
    }
    if (attempt !== this.attempt) return this.call || this.microphone.shut();
    this.tell({ is: "connecting" });
    await this.#dial(attempt);
  }

  async #dial(attempt) {
    const goesOn = this.lostAt ? this.way : "";
    const call = (this.call = new this.Transport(this.kind, this.wanted(this.kind), this.microphone.stream, goesOn));
    const current = () => attempt === this.attempt && call === this.call;
    call.onup = () => current() && this.#up();
    call.onlost = () => current() && this.#lost(attempt);
    call.onend = (sentence) => current() && this.#over(sentence ? { text: sentence } : null);
    call.output(this.choice().loudspeaker);
    this.dialling = true;
    try {
      await call.start();
    } catch (error) {
      if (!current()) return call.stop();
      if (this.lostAt && error instanceof NotConnected) return call.stop();
      this.#over(notConnected(call.way, call.forced, error.message || call.trouble));
    } finally {
      if (call === this.call) this.dialling = false;
    }
  }

  #up() {
    if (this.lostAt) this.said(`Connection lost for ${Math.max(1, Math.round((performance.now() - this.lostAt) / 1000))} s.`);
    else this.since = performance.now();
    this.lostAt = 0;
    clearInterval(this.redialling);
    const { way, forced, trouble } = this.call;
    this.way = way;
    this.tell({ is: "up", way, forced, trouble });
    this.#lookForSound(this.call);
  }

  async #lookForSound(call) {
    const silent = !(await runs());
    if (silent && call === this.call) this.tell({ is: "silent", silent: call.deaf ? "deaf" : "mute" });
  }

  /** The process that had the call is gone and another one is here: nothing to wait for. Without a call: nothing. */
  goOn() {
    if (!this.since) return;
    this.#lost(this.attempt);
    this.#redial(this.attempt);
  }

  #redial(attempt) {
    this.call?.stop();
    this.#dial(attempt);
  }

  #lost(attempt) {
    if (this.lostAt || !this.since) return;
    this.lostAt = performance.now();
    this.tell({ is: "lost" });
    this.redialling = setInterval(() => {
      const away = performance.now() - this.lostAt;
      if (attempt !== this.attempt) return clearInterval(this.redialling);
      if (away > REDIAL_MS) return this.#over(notConnected(this.way, this.call?.forced));
      if (away > MAY_RECOVER_MS && this.reachable() && !this.dialling) this.#redial(attempt);
    }, 1500);
  }

  /** Whether the server can be asked now; told by whoever holds the link. */
  reachable() {
    return true;
  }

  async #microphoneLost() {
    const attempt = this.attempt;
    const allowed = await navigator.permissions?.query({ name: "microphone" }).then(({ state }) => state !== "denied", () => true);
    if (allowed === false) return this.#over(microphoneProblem("revoked", navigator.userAgent));
    try {
      await this.microphone.open("");
      if (attempt !== this.attempt) return this.microphone.shut();
      await this.call?.replace(this.microphone.track);
      this.tell({ is: "note", note: `The microphone was unplugged: it goes on with ${this.microphone.track.label || "another one"}.` });
    } catch {
      if (attempt === this.attempt) this.#over(microphoneProblem("unplugged"));
    }
  }

  async change(microphone) {
    if (!this.call) return;
    try {
      await this.microphone.open(microphone);
      await this.call.replace(this.microphone.track);
    } catch (error) {
      this.#over(microphoneProblem(error.name, navigator.userAgent));
    }
  }

  /** The user hangs up, or leaves. */
  stop() {
    this.attempt += 1;
    this.#over(null);
  }

  get played() {
    return this.call?.played;
  }

  get seconds() {
    return this.since ? (performance.now() - this.since) / 1000 : null;
  }

  #over(problem) {
    clearInterval(this.redialling);
    this.call?.stop();
    this.microphone.shut();
    Object.assign(this, { call: null, since: 0, lostAt: 0, dialling: false });
    this.tell({ is: "ended", problem });
  }
}
