// The microphone as PCM16, 20 ms at a time. Until it is told a rate it keeps what was said: nothing is lost while a call connects.

import { Resampler, toPcm16 } from "./resampler.js";

const PIECE_S = 0.02;
const KEPT_PIECES = 200; // 4 s

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    Object.assign(this, { piece: new Float32Array(Math.round(PIECE_S * sampleRate)), filled: 0, kept: [], resampler: null, over: false });
    this.port.onmessage = ({ data }) => (data === "stop" ? (this.over = true) : this.#begin(data));
  }

  process([[samples]]) {
    const block = samples ?? new Float32Array(128); // a device that is being changed is silent
    for (let from = 0; from < block.length; ) {
      const part = block.subarray(from, from + this.piece.length - this.filled);
      this.piece.set(part, this.filled);
      this.filled += part.length;
      from += part.length;
      if (this.filled === this.piece.length) this.#full();
    }
    return !this.over;
  }

  #full() {
    this.filled = 0;
    if (this.resampler) return this.#send(this.piece);
    this.kept.push(this.piece.slice());
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
