// What flows through a node, as PCM16 pieces of one rate, each with the time of its first sample; silence where nothing flows.

import { Pieces, Resampler, toPcm16 } from "./resampler.js";

const PIECE_S = 0.25;

class Tap extends AudioWorkletProcessor {
  constructor({ processorOptions: { rate } }) {
    super();
    Object.assign(this, { resampler: new Resampler(sampleRate, rate), pieces: new Pieces(Math.round(PIECE_S * sampleRate)), at: currentTime, over: false });
    this.port.onmessage = () => this.#end();
  }

  process([[samples]]) {
    if (this.over) return false;
    this.pieces.feed(samples ?? new Float32Array(128), (piece) => this.#send(piece));
    return true;
  }

  #send(piece) {
    const pcm = toPcm16(this.resampler.feed(piece));
    this.port.postMessage({ at: this.at, pcm }, [pcm.buffer]);
    this.at += piece.length / sampleRate;
  }

  #end() {
    if (!this.over && this.pieces.filled) this.pieces.take((piece) => this.#send(piece));
    this.over = true;
  }
}

registerProcessor("tap", Tap);
