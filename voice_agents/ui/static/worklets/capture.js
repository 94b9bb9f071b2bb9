// The microphone as PCM16, 20 ms at a time. Until it is told a rate it keeps what was said: nothing is lost while a call connects.

import { Pieces, Resampler, toPcm16 } from "./resampler.js";

const PIECE_S = 0.02;
const KEPT_PIECES = 200; // 4 s

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    Object.assign(this, { pieces: new Pieces(Math.round(PIECE_S * sampleRate)), kept: [], resampler: null, over: false });
    this.port.onmessage = ({ data }) => (data === "stop" ? (this.over = true) : this.#begin(data));
  }

  process([[samples]]) {
    // a device that is being changed is silent
    this.pieces.feed(samples ?? new Float32Array(128), (piece) => this.#full(piece));
    return !this.over;
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
