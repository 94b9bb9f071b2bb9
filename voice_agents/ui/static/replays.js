// The agent's last answers of this visit's calls, to be heard again exactly as they sounded; kept in memory only.

const RATE = 24000;
const KEPT_S = 180;
const BEFORE_S = 0.3; // the status may come a little later than the sound
const AFTER_S = 1; // and the sound is played later than it is sent
const QUIET = 200; // of 32768

export class Replays {
  constructor() {
    Object.assign(this, { pieces: [], began: null, spans: new Map() });
  }

  /** Listens to a call's agent. */
  async listen(voice) {
    this.stop();
    const { context } = voice;
    const mine = (this.listening = {});
    await context.audioWorklet.addModule(new URL("./worklets/tap.js", import.meta.url));
    if (this.listening !== mine) return;
    const tap = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit", processorOptions: { rate: RATE } });
    voice.connect(tap).connect(context.destination); // it says nothing there
    tap.port.onmessage = ({ data: { at, pcm } }) => this.#keep(performance.now() / 1000 - context.currentTime + at, pcm);
    this.tap = tap;
  }

  stop() {
    this.tap?.port.postMessage("stop");
    this.tap?.disconnect();
    this.tap = this.listening = null;
  }

  #keep(at, pcm) {
    this.pieces.push({ at, pcm });
    while (this.pieces.length && at - this.pieces[0].at > KEPT_S) this.pieces.shift();
  }

  /** The agent begins to speak, or stops; `line`: of its answer. Resolves to whether that can be heard again. */
  begins() {
    this.began ??= performance.now() / 1000 - BEFORE_S;
  }

  ends(line) {
    if (this.began === null || !this.tap || line === null) return false;
    const from = this.spans.get(line)?.from ?? this.began; // it goes on after a pause
    this.spans.set(line, { from, to: performance.now() / 1000 + AFTER_S });
    this.began = null;
    return true;
  }

  has(line) {
    const span = this.spans.get(line);
    return Boolean(span) && (this.pieces[0]?.at ?? Infinity) <= span.from + 1;
  }

  /** The sound of an answer without the silence around it. */
  sound(line) {
    const { from, to } = this.spans.get(line);
    const all = new Int16Array(Math.ceil((to - from) * RATE));
    for (const { at, pcm } of this.pieces) {
      const start = Math.round((at - from) * RATE);
      for (let i = Math.max(0, -start); i < pcm.length && start + i < all.length; i += 1) all[start + i] = pcm[i];
    }
    const loud = (sample) => Math.abs(sample) > QUIET;
    const first = all.findIndex(loud);
    return first < 0 ? all.subarray(0, 0) : all.subarray(first, all.findLastIndex(loud) + 1);
  }

  get rate() {
    return RATE;
  }
}
