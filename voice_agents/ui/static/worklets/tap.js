// What flows through a node, as PCM16 pieces of one rate, each with the time of its first sample; silence where nothing flows.

import { Resampler, toPcm16 } from "./resampler.js";

const PIECE_S = 0.25;

class Tap extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    Object.assign(this, { resampler: new Resampler(sampleRate, rate), piece: new Float32Array(Math.round(PIECE_S * sampleRate)), filled: 0, at: currentTime, over: false });
    this.port.onmessage = () => this.#end();
  }

  process([[samples]]) {
    if (this.over) return false;
    const block = samples ?? new Float32Array(128);
    for (let from = 0; from < block.length; ) {
      const part = block.subarray(from, from + this.piece.length - this.filled);
      this.piece.set(part, this.filled);
      this.filled += part.length;
      from += part.length;
      if (this.filled === this.piece.length) this.#send();
    }
    return true;
  }

  #send() {
    const pcm = toPcm16(this.resampler.feed(this.piece.subarray(0, this.filled)));
    this.port.postMessage({ at: this.at, pcm }, [pcm.buffer]);
    this.at += this.filled / sampleRate;
    this.filled = 0;
  }

  #end() {
    if (!this.over && this.filled) this.#send();
    this.over = true;
  }
}

registerProcessor("tap", Tap);
