// Recordings of calls, which only this browser has: taken while the user wants it, kept by conversation, put together as WAV.

import { deleted } from "./memory.js";
import { sound } from "./microphone.js";

const RATE = 24000;
const GONE_AFTER_MS = 60000; // a deleted conversation may be taken back so long
const BETWEEN_CALLS_S = 0.5;
const PIECE_S = 10; // of a file, put together at a time
const STEP_MS = 250; // a clock that is off by more has stood still meanwhile
const STORE = "sound";

/** Listens to both sides of a call. `before`: the one of the call that was lost, and goes on. */
export class Recorder {
  constructor(conversation, call, microphone, before = null) {
    const { begun = performance.now(), call: name = Date.now() } = before ?? {};
    Object.assign(this, { conversation, begun, call: name, over: false, taps: [] });
    this.#listen(microphone, call.voice).catch(() => {}); // it only goes without a recording
  }

  async #listen(microphone, voice) {
    await Promise.all([sound(), voice.context].map((context) => context.audioWorklet.addModule(new URL("./worklets/tap.js", import.meta.url))));
    if (this.over) return;
    this.mine = this.#tap(sound(), "left");
    this.follow(microphone);
    voice.connect(this.#tap(voice.context, "right"));
  }

  /** The microphone is another one now. */
  follow(stream) {
    if (!this.mine || !stream) return;
    this.source?.disconnect();
    this.source = sound().createMediaStreamSource(stream);
    this.source.connect(this.mine);
  }

  #tap(context, side) {
    const tap = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit", processorOptions: { rate: RATE } });
    tap.connect(context.destination); // it says nothing there, but what leads nowhere may not run
    let offset = null;
    tap.port.onmessage = ({ data: { at, pcm } }) => {
      const now = performance.now() - 1000 * context.currentTime;
      if (offset === null || Math.abs(now - offset) > STEP_MS) offset = now;
      put({ conversation: this.conversation, call: this.call, side, at: (offset + 1000 * at - this.begun) / 1000, pcm });
    };
    this.taps.push(tap);
    return tap;
  }

  stop() {
    this.over = true;
    this.source?.disconnect();
    for (const tap of this.taps) tap.port.postMessage("stop");
    setTimeout(() => this.taps.forEach((tap) => tap.disconnect()), STEP_MS); // its last piece is on its way
  }
}

export const Recordings = {
  /** The ids of those that were recorded. */
  async conversations() {
    const found = new Set();
    await each("nextunique", null, ({ key }) => found.add(key));
    return found;
  },

  /** A file: the user left, the agent right, silent where nobody spoke; calls of other days follow at once. */
  async wav(conversation) {
    const calls = new Map();
    await each("next", conversation, ({ value }) => calls.set(value.call, [...(calls.get(value.call) ?? []), value]));
    const parts = [...calls.keys()].sort((a, b) => a - b).flatMap((call) => together(calls.get(call)));
    return new Blob([header(parts.reduce((size, part) => size + part.byteLength, 0)), ...parts], { type: "audio/wav" });
  },

  async delete(conversation) {
    await each("next", conversation, (cursor) => cursor.delete(), "readwrite");
  },

  deleteLater(conversation) {
    deleted.set({ [conversation]: Date.now() });
    setTimeout(() => Recordings.sweep(), GONE_AFTER_MS + 1000);
  },

  keep(conversation) {
    deleted.forget(conversation);
  },

  /** Those of conversations that were deleted a while ago. */
  async sweep() {
    for (const [conversation, at] of Object.entries(deleted.get())) {
      if (Date.now() - at < GONE_AFTER_MS) continue;
      await Recordings.delete(conversation);
      deleted.forget(conversation);
    }
  },

  async deleteAll() {
    const store = await open("readwrite");
    store?.clear();
  },
};

function together(pieces) {
  const end = Math.max(...pieces.map(({ at, pcm }) => at + pcm.length / RATE)) + BETWEEN_CALLS_S;
  const parts = [];
  for (let from = 0; from < end; from += PIECE_S) {
    const part = new Int16Array(2 * Math.round(RATE * Math.min(PIECE_S, end - from)));
    for (const { side, at, pcm } of pieces) lay(part, pcm, Math.round((at - from) * RATE), side === "left" ? 0 : 1);
    parts.push(part);
  }
  return parts;
}

function lay(part, pcm, start, side) {
  for (let i = Math.max(0, -start); i < pcm.length && 2 * (start + i) < part.length; i += 1) part[2 * (start + i) + side] = pcm[i];
}

function header(bytes) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  [[16, 16, 32], [20, 1, 16], [22, 2, 16], [24, RATE, 32], [28, 4 * RATE, 32], [32, 4, 16], [34, 16, 16]].forEach(([at, value, bits]) =>
    bits === 32 ? view.setUint32(at, value, true) : view.setUint16(at, value, true),
  );
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view;
}

// --- the database ---

let database = null;

async function open(mode) {
  database ??= new Promise((done, failed) => {
    const opening = indexedDB.open("voice-agents", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { autoIncrement: true }).createIndex("conversation", "conversation");
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
  const opened = await database.catch(() => null); // forbidden: the page works without recordings
  return opened?.transaction(STORE, mode).objectStore(STORE);
}

async function put(piece) {
  (await open("readwrite"))?.add(piece);
}

async function each(direction, conversation, take, mode = "readonly") {
  const store = await open(mode);
  if (!store) return;
  const cursors = store.index("conversation").openCursor(conversation === null ? null : IDBKeyRange.only(conversation), direction);
  await new Promise((done, failed) => {
    cursors.onerror = () => failed(cursors.error);
    cursors.onsuccess = () => {
      if (!cursors.result) return done();
      take(cursors.result);
      cursors.result.continue();
    };
  });
}
