// Plays an answer's frames in order once enough of them wait, falls silent at once when told, and tells what it has played.

const LEAST_WAITING_S = 0.06; // before the sound begins
const MOST_WAITING_S = 0.12; // once a hole was heard
const TELL_S = 0.1;
const FADE = 96; // samples: an end without a click
const RAMP_S = 0.006; // from one volume to another
const HEADER_BYTES = 12;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    Object.assign(this, { queue: [], waiting: 0, waited: 0, needed: LEAST_WAITING_S, sounding: false, complete: false });
    Object.assign(this, { epoch: 0, at: null, untold: 0, fade: [], over: false });
    this.#setVolume(1, true);
    this.port.onmessage = ({ data }) => this.#hear(data);
  }

  #hear(message) {
    if (message instanceof ArrayBuffer) this.#add(message);
    else if (message === "stop") this.over = true;
    else if (message.type === "clear") this.#clear(message.epoch);
    else if (message.type === "volume") this.#setVolume(message.volume, false);
    else if (message.type === "done") this.complete = true;
  }

  #setVolume(volume, atOnce) {
    this.wanted = volume;
    if (atOnce) this.volume = volume;
  }

  #add(frame) {
    const header = new DataView(frame);
    const [turn, epoch, position] = [0, 4, 8].map((at) => header.getUint32(at, true));
    if (epoch < this.epoch) return;
    const samples = new Int16Array(frame, HEADER_BYTES);
    this.queue.push({ turn, epoch, position, samples });
    this.waiting += samples.length;
    this.complete = false;
  }

  #clear(epoch) {
    this.epoch = epoch;
    if (this.sounding) this.fade = this.#take(FADE).map((sample, i) => sample * (1 - i / FADE));
    else if (this.queue.length) this.at = place(this.queue[0], 0);
    this.#tell(true);
    Object.assign(this, { queue: [], waiting: 0, sounding: false, complete: false, at: null });
    this.#setVolume(1, true);
  }

  process(_, [[out]]) {
    if (this.fade.length) out.set(this.fade.splice(0, out.length));
    else if (this.sounding || this.#begins(out.length)) this.#play(out);
    return !this.over;
  }

  #begins(block) {
    if (!this.queue.length) return false;
    this.waited += block;
    const enough = this.needed * sampleRate;
    this.sounding = this.complete || this.waiting >= enough || this.waited >= enough;
    return this.sounding;
  }

  #play(out) {
    const samples = this.#take(out.length);
    out.set(samples);
    this.untold += samples.length;
    const empty = !this.queue.length;
    if (empty || this.untold >= TELL_S * sampleRate) this.#tell(false);
    if (!empty) return;
    this.needed = this.complete ? LEAST_WAITING_S : MOST_WAITING_S;
    Object.assign(this, { sounding: false, waited: 0 });
  }

  /** The next samples, at most so many. */
  #take(size) {
    const taken = [];
    while (taken.length < size && this.queue.length) {
      const [frame] = this.queue;
      const part = frame.samples.subarray(0, size - taken.length);
      if (this.at && this.at.turn !== frame.turn) this.#setVolume(1, true);
      for (const sample of part) taken.push((sample / 32768) * this.#volumeNow());
      frame.samples = frame.samples.subarray(part.length);
      frame.position += part.length;
      this.at = place(frame, 0);
      if (!frame.samples.length) this.queue.shift();
    }
    this.waiting -= taken.length;
    return taken;
  }

  #volumeNow() {
    const step = 1 / (RAMP_S * sampleRate);
    const left = this.wanted - this.volume;
    this.volume = Math.abs(left) <= step ? this.wanted : this.volume + Math.sign(left) * step;
    return this.volume;
  }

  /** `stopped`: everything up to there is heard, also what is still on its way to the loudspeaker. */
  #tell(stopped) {
    if (this.at) this.port.postMessage({ ...this.at, stopped, waiting: this.waiting });
    this.untold = 0;
  }
}

const place = ({ turn, epoch, position }) => ({ turn, epoch, position });

registerProcessor("player", Player);
