// Sound at another rate and in pieces of another length, for the worklets.

const HALF_WIDTH_S = 0.000625; // of the filter, and its delay
const CUT_OFF = 0.45; // times the lower rate

/** Brings a stream to another rate: a windowed sinc, one set of taps for each place a new sample can have between old ones. */
export class Resampler {
  constructor(source, target) {
    const common = greatestCommonDivisor(source, target);
    Object.assign(this, { up: target / common, down: source / common, half: Math.round(HALF_WIDTH_S * source), place: 0 });
    const cutOff = (CUT_OFF * Math.min(source, target)) / source;
    this.taps = Array.from({ length: this.up }, (_, place) => taps(this.half, cutOff, place / this.up));
    this.rest = new Float32Array(this.half - 1);
  }

  feed(samples) {
    if (this.up === this.down) return samples;
    const all = new Float32Array(this.rest.length + samples.length);
    all.set(this.rest);
    all.set(samples, this.rest.length);
    const out = [];
    let first = 0; // of the samples under the filter
    for (; first + 2 * this.half <= all.length; first += Math.floor(this.place / this.up), this.place %= this.up) {
      const weights = this.taps[this.place];
      let sum = 0;
      for (let i = 0; i < weights.length; i += 1) sum += weights[i] * all[first + i];
      out.push(sum);
      this.place += this.down;
    }
    this.rest = all.slice(first);
    return Float32Array.from(out);
  }
}

/** Makes pieces of one length of what flows through; ``piece`` and ``filled`` are the one that is being filled. */
export class Pieces {
  constructor(length) {
    Object.assign(this, { piece: new Float32Array(length), filled: 0 });
  }

  feed(block, full) {
    for (let from = 0; from < block.length; ) {
      const part = block.subarray(from, from + this.piece.length - this.filled);
      this.piece.set(part, this.filled);
      this.filled += part.length;
      from += part.length;
      if (this.filled === this.piece.length) this.take(full);
    }
  }

  /** What is there of a piece; ``done`` must not keep it. */
  take(done) {
    const { filled } = this;
    this.filled = 0;
    done(this.piece.subarray(0, filled));
  }
}

function taps(half, cutOff, fraction) {
  const weights = Float64Array.from({ length: 2 * half }, (_, i) => {
    const at = i - (half - 1) - fraction;
    const sinc = at === 0 ? 1 : Math.sin(2 * Math.PI * cutOff * at) / (2 * Math.PI * cutOff * at);
    return sinc * (0.54 + 0.46 * Math.cos((Math.PI * at) / half));
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}

function greatestCommonDivisor(a, b) {
  return b ? greatestCommonDivisor(b, a % b) : a;
}

export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))));
}
