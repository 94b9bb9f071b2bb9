// Plays a piece of sound outside a call, one at a time, on the loudspeaker the user chose.

import { settings } from "./memory.js";
import { runs, sound } from "./microphone.js";

let playing = null;

/** `pcm`: Int16Array. Resolves when it is over, or was stopped, also by the next one. */
export async function play(pcm, rate) {
  hush();
  const context = sound();
  if (!(await runs())) return;
  const buffer = context.createBuffer(1, Math.max(1, pcm.length), rate);
  buffer.copyToChannel(Float32Array.from(pcm, (sample) => sample / 32768), 0);
  const source = new AudioBufferSourceNode(context, { buffer });
  const out = context.createMediaStreamDestination();
  source.connect(out);
  const speaker = new Audio();
  speaker.srcObject = out.stream;
  const { loudspeaker } = settings.get();
  if (loudspeaker) await speaker.setSinkId?.(loudspeaker).catch(() => {});
  await speaker.play().catch(() => {});
  const over = new Promise((done) => (source.onended = done));
  const stop = () => source.stop();
  playing = stop;
  source.start();
  await over;
  speaker.pause();
  if (playing === stop) playing = null;
}

export function hush() {
  playing?.();
  playing = null;
}
