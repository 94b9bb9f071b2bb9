// A worker that runs one of the worklets where no sound device drives them: by the clock, or by what it is fed.

const BLOCK = 128; // samples, as in an AudioWorklet
const TICK_MS = 20;
const MOST_BEHIND_S = 1; // a computer that was asleep does not catch up

let Processor = null;
let begun = null;
const early = [];

globalThis.AudioWorkletProcessor = class {
  constructor() {
    this.port = { postMessage: (message, transfer = []) => postMessage(message, transfer), onmessage: null };
  }
};
globalThis.registerProcessor = (_, kind) => (Processor = kind);

onmessage = async ({ data }) => {
  if (data.begin) return begin(data.begin);
  if (begun) take(data);
  else early.push(data);
};

async function begin({ name, rate, fed }) {
  globalThis.sampleRate = rate;
  await import(`./${name}.js`);
  begun = new Processor();
  for (const waiting of early.splice(0)) take(waiting);
  if (!fed) tick(rate);
}

function take({ to, samples }) {
  if (to !== undefined) return begun.port.onmessage({ data: to });
  for (let at = 0; at < samples.length; at += BLOCK) run([[samples.subarray(at, at + BLOCK)]]);
}

function tick(rate) {
  let done = performance.now();
  setInterval(() => {
    const now = performance.now();
    done = Math.max(done, now - 1000 * MOST_BEHIND_S);
    for (; done <= now; done += (1000 * BLOCK) / rate) run([[]]);
  }, TICK_MS);
}

function run(inputs) {
  if (begun.process(inputs, [[new Float32Array(BLOCK)]]) === false) close();
}
