// The microphone as PCM16, 20 ms at a time, and what begins suddenly at once: an agent that speaks gives way to it.
// Until it is told a rate it keeps what was said: nothing is lost while a call connects.

import { Pieces, Resampler, toPcm16 } from "./resampler.js";

const PIECE_S = 0.02;
const KEPT_PIECES = 200; // 4 s
const SUDDEN = 3; // times as loud as usual (10 dB) ...
const AUDIBLE = 0.0025; // ... and not just a quiet room's noise (-52 dB)
const USUAL_S = 0.15; // that loudness becomes usual within: what goes on is sudden for a third of it

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    Object.assign(this, { pieces: new Pieces(Math.round(PIECE_S * sampleRate)), kept: [], resampler: null, over: false, usual: 0 });
    this.port.onmessage = ({ data }) => (data === "stop" ? (this.over = true) : this.#begin(data));
  }

  process([[samples]]) {
    const block = samples ?? new Float32Array(128); // a device that is being changed is silent
    this.pieces.feed(block, (piece) => this.#full(piece));
    if (this.#sudden(block) && this.resampler && this.pieces.filled) this.pieces.take((piece) => this.#send(piece));
    return !this.over;
  }

  #sudden(block) {
    const level = Math.sqrt(block.reduce((sum, x) => sum + x * x, 0) / block.length);
    this.usual += (level - this.usual) * (block.length / (USUAL_S * sampleRate));
    return level > Math.max(AUDIBLE, SUDDEN * this.usual);
  }

  #full(piece) {
    if (this.resampler) return this.#send(piece);
    this.kept.push(piece.slice());
    if (this.kept.length > KEPT_PIECES) this.kept.shift();
  }

  #begin(rate) {
    this.resampler = new Resampler(sampleRate, rate);
    for (const piece of this.kept.splice(0)) this.#send(piece);
  }

  #send(piece) {
    const { buffer } = toPcm16(this.resampler.feed(piece));
    this.port.postMessage(buffer, [buffer]);
  }
}

registerProcessor("capture", Capture);
