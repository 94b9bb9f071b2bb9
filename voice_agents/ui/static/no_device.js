// Calls where no sound can be played: Firefox lets no AudioContext run without a device for it, and nothing that hangs on one.

const OPUS = "audio/webm;codecs=opus";
const RATE = 48000; // Opus is always decoded at it
const PIECE_MS = 60;
const BITS_PER_SECOND = 64000;

/** In the place of an AudioWorkletNode: one of our worklets, driven by the clock, or by `feed` if it is `fed`. */
export class ClockedNode {
  constructor(name, rate, fed = false) {
    const worker = (this.worker = new Worker(new URL("./worklets/by_clock.js", import.meta.url), { type: "module" }));
    this.port = { onmessage: null, postMessage: (to, transfer = []) => worker.postMessage({ to }, transfer) };
    worker.onmessage = (event) => this.port.onmessage?.(event);
    worker.postMessage({ begin: { name, rate, fed } });
  }

  feed(samples) {
    this.worker.postMessage({ samples }, [samples.buffer]);
  }

  disconnect() {
    this.worker.terminate();
  }
}

/** A microphone's samples by way of a recording that is decoded again at once: a tenth of a second late. */
export class RecordedMicrophone {
  static rate = RATE;

  static get possible() {
    return Boolean(globalThis.AudioDecoder && globalThis.MediaRecorder?.isTypeSupported(OPUS));
  }

  constructor(stream, heard) {
    const output = (data) => {
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      data.close();
      heard(samples);
    };
    this.decoder = new AudioDecoder({ output, error: () => this.disconnect() });
    this.decoder.configure({ codec: "opus", sampleRate: RATE, numberOfChannels: 1 });
    this.packets = new OpusPackets((data) => this.#decode(data));
    this.recorder = new MediaRecorder(stream, { mimeType: OPUS, audioBitsPerSecond: BITS_PER_SECOND });
    this.recorder.ondataavailable = ({ data }) => (this.read = (this.read ?? Promise.resolve()).then(() => this.#take(data)));
    this.recorder.start(PIECE_MS);
  }

  async #take(blob) {
    this.packets.feed(new Uint8Array(await blob.arrayBuffer()));
  }

  #decode(data) {
    if (this.decoder.state === "configured") this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: 0, data }));
  }

  disconnect() {
    if (this.recorder?.state === "recording") this.recorder.stop();
    if (this.decoder.state !== "closed") this.decoder.close();
  }
}

const [SEGMENT, CLUSTER, SIMPLE_BLOCK] = [0x18538067, 0x1f43b675, 0xa3];
const BLOCK_HEADER = 4; // track, time (2), flags

/** Takes the packets out of a WebM stream of one track, however it is cut. */
export class OpusPackets {
  constructor(found) {
    Object.assign(this, { found, rest: new Uint8Array(0) });
  }

  feed(bytes) {
    const all = new Uint8Array(this.rest.length + bytes.length);
    all.set(this.rest);
    all.set(bytes, this.rest.length);
    let at = 0;
    for (let element; (element = elementAt(all, at)); at = element.end) {
      if (element.id === SIMPLE_BLOCK) this.found(all.slice(element.body + BLOCK_HEADER, element.end));
    }
    this.rest = all.slice(at);
  }
}

/** The element that begins there, if all of it has come; of those that hold blocks the header is enough. */
function elementAt(bytes, at) {
  const id = numberAt(bytes, at, false);
  const size = id && numberAt(bytes, id.end, true);
  if (!size) return null;
  const end = [SEGMENT, CLUSTER].includes(id.value) ? size.end : size.end + size.value;
  return end <= bytes.length ? { id: id.value, body: size.end, end } : null;
}

/** EBML's numbers: as many leading zeros as there are further bytes. `bare`: without the mark that ends the zeros. */
function numberAt(bytes, at, bare) {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  if (length > 8 || at + length > bytes.length) return null;
  let value = bare ? bytes[at] & (0xff >> length) : bytes[at];
  for (let i = 1; i < length; i += 1) value = value * 256 + bytes[at + i];
  return { value, end: at + length };
}
