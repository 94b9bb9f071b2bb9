// A call by whichever way gets through: WebRTC, or when that is not up soon, the page's own port.

import { SocketCall } from "./socket_call.js";
import { WebRtcCall } from "./webrtc_call.js";

const WEBRTC_UP_MS = 2500;

/** How the server lets browsers call (TRANSPORT): "auto", "webrtc" or "websocket". */
const allowed = () => document.querySelector("[data-transport]")?.dataset.transport ?? "auto";

export class AnyCall {
  /** `goesOn`: the way a call went that was lost; it is taken again. A new call tries WebRTC first. */
  constructor(kind, wanted, stream, goesOn = "") {
    Object.assign(this, { wanted, onup() {}, onlost() {}, onend() {}, over: false, settled: false, outputId: "" });
    this.calls = { webrtc: new WebRtcCall(kind, wanted, stream), websocket: new SocketCall(kind, wanted, stream) };
    this.way = (allowed() === "auto" && goesOn) || (allowed() === "websocket" ? "websocket" : "webrtc");
    this.forced = allowed() !== "auto";
  }

  /** Resolves when sound flows both ways. Throws NotConnected. */
  async start() {
    if (this.forced || this.way === "websocket") return this.#take(this.way);
    this.calls.websocket.prepare().catch(() => {}); // what is said meanwhile is kept
    try {
      await soon(this.#take("webrtc"), WEBRTC_UP_MS);
      this.calls.websocket.stop();
    } catch {
      if (this.over) return;
      this.calls.webrtc.stop();
      await this.#take("websocket");
    }
  }

  #take(way) {
    const call = this.calls[way];
    this.way = way;
    const here = () => this.way === way && !this.over;
    call.onup = () => here() && ((this.settled = true), this.onup());
    call.onlost = () => here() && this.settled && this.onlost();
    call.onend = (sentence) => here() && (this.stop(), this.onend(sentence));
    call.output(this.outputId);
    return call.start();
  }

  async replace(track) {
    const others = this.#open.filter((call) => call !== this.calls[this.way]);
    others.forEach((call) => call.replace(track).catch(() => {}));
    await this.calls[this.way].replace(track);
  }

  get voice() {
    return this.calls[this.way].voice;
  }

  /** The microphone cannot be read without a device that plays sound. */
  get deaf() {
    return this.calls[this.way].deaf ?? false;
  }

  get trouble() {
    return this.calls.webrtc.trouble ?? "";
  }

  get level() {
    return this.calls[this.way].level;
  }

  /** How far the answer was played, where that is known here; goes along with what cuts it. */
  get played() {
    return this.calls[this.way].played;
  }

  output(deviceId) {
    this.outputId = deviceId;
    this.#open.forEach((call) => call.output(deviceId));
  }

  stop() {
    this.over = true;
    Object.values(this.calls).forEach((call) => call.stop());
  }

  get #open() {
    return Object.values(this.calls).filter((call) => !call.over);
  }
}

const soon = (promise, ms) =>
  Promise.race([promise, new Promise((_, late) => setTimeout(() => late(new Error("late")), ms))]);
