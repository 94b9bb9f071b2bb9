// Sound at another rate, for the worklets.

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
