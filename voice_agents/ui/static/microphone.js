// The one open microphone: asks for it, follows its device, measures its level, shuts it.

const WISHES = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const FULL_DBFS = -20; // a level of 1
const QUIET_DBFS = -60; // a level of 0

export class Microphone {
  constructor() {
    this.stream = null;
    this.onlost = () => {}; // its device is gone or was taken away
    this.onopened = () => {};
  }

  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  /** Opens it; the chosen device if it is there. Throws the browser's DOMException. */
  async open(deviceId = "") {
    this.shut();
    const stream = await this.#ask(deviceId);
    this.shut(); // another press was quicker
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    track.addEventListener("ended", () => this.stream === stream && this.onlost());
    this.meter = new Meter(stream);
    this.onopened(stream);
    return stream;
  }

  async #ask(deviceId) {
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: { ...WISHES, ...(deviceId && { deviceId: { exact: deviceId } }) } });
    } catch (error) {
      if (!deviceId || !["OverconstrainedError", "NotFoundError"].includes(error.name)) throw error;
      return this.#ask(""); // the one of the last visit is not plugged in today
    }
  }

  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  speak(on) {
    if (this.track) this.track.enabled = on;
  }

  get level() {
    return this.meter?.level ?? 0;
  }

  shut() {
    this.meter?.stop();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.meter = null;
  }
}

let context = null;
/** One AudioContext for all meters; browsers allow few, and start it only after a press. */
export const sound = () => (context ??= new AudioContext());

const RUNS_WITHIN_MS = 1000;

/** Whether sound can be played: without any device for it a browser may never let its AudioContext run. */
export async function runs(context = sound()) {
  if (context.state === "running") return true;
  const late = new Promise((done) => setTimeout(() => done(false), RUNS_WITHIN_MS));
  return Promise.race([late, context.resume().then(() => true, () => false)]);
}

/** The level of what a node gives, between 0 and 1, on a logarithmic scale as ears hear it. */
export class Level {
  constructor(node) {
    this.analyser = new AnalyserNode(node.context, { fftSize: 512 });
    this.source = node;
    this.source.connect(this.analyser);
    this.samples = new Float32Array(this.analyser.fftSize);
  }

  get level() {
    this.analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, x) => sum + x * x, 0) / this.samples.length;
    return Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-12) - QUIET_DBFS) / (FULL_DBFS - QUIET_DBFS)));
  }

  stop() {
    this.source.disconnect();
  }
}

/** The level of a stream. */
export class Meter extends Level {
  constructor(stream) {
    super(sound().createMediaStreamSource(stream));
    if (sound().state === "suspended") sound().resume();
  }
}
