// What a call sounds from: softer or silent at once, on the device the user chose.

const RAMP_S = 0.002; // to within a third of the way to another volume: 15 dB softer after 7 ms, without a click
const HUSHED_S = 0.3; // what a jitter buffer may still hold; what comes later is new
const LAST_WORDS_MS = 300;

export class Loudspeaker {
  /** `sampleRate` in Hz; without one the device's own. */
  constructor(sampleRate) {
    const context = (this.context = new AudioContext({ sampleRate, latencyHint: "interactive" }));
    const run = () => !this.over && context.state !== "running" && context.resume().catch(() => {});
    context.onstatechange = run; // a phone call interrupts it
    run();
    this.node = new GainNode(context);
    this.node.connect(context.destination);
  }

  /** What this node gives is heard. */
  plays(node) {
    node.connect(this.node);
  }

  /** Of all that is heard from now on; 1 is as loud as it comes. */
  setVolume(volume) {
    const { gain } = this.node;
    gain.cancelScheduledValues(this.context.currentTime);
    gain.setTargetAtTime(volume, this.context.currentTime, RAMP_S);
  }

  /** Let nothing be heard of what is on its way. */
  hush() {
    this.setVolume(0);
    this.node.gain.setTargetAtTime(1, this.context.currentTime + HUSHED_S, RAMP_S);
  }

  async output(deviceId) {
    if (this.context.setSinkId) return this.context.setSinkId(deviceId).catch(() => {});
    this.#outputByElement(deviceId);
  }

  #outputByElement(deviceId) {
    if (!this.speaker) {
      if (!deviceId) return;
      const out = this.context.createMediaStreamDestination();
      this.node.disconnect(this.context.destination);
      this.node.connect(out);
      this.speaker = new Audio();
      this.speaker.srcObject = out.stream;
      this.speaker.play().catch(() => {});
    }
    this.speaker.setSinkId?.(deviceId).catch(() => {});
  }

  stop() {
    this.over = true;
    this.speaker?.pause();
    setTimeout(() => this.context.state !== "closed" && this.context.close(), LAST_WORDS_MS); // for who listens to it
  }
}
