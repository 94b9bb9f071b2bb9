// Keeps how loud a page's calls play, over WebRTC or the page's own port, and when its microphone was told to speak.
// Stands behind recorder.js, which finds what is played. Both in milliseconds of performance.now(), by the clocks of the
// sound itself: a busy page is late in hearing of it.
(() => {
  const BLOCKS = 8; // of 128 samples in a message
  const PAST = 50; // readings of a clock: the last second
  const worklet = `registerProcessor("levels", class extends AudioWorkletProcessor {
    found = [];
    process([input]) {
      const samples = input[0] ?? new Float32Array(128);
      this.found.push([currentTime, samples.reduce((sum, x) => sum + x * x, 0) / samples.length]);
      if (this.found.length === ${BLOCKS}) this.port.postMessage(this.found.splice(0));
      return true;
    }
  })`;
  const clocks = new WeakMap();
  // how far a context's clock is ahead of the page's: it goes on in steps, and the page looks late, never early
  const clockOf = (context) => {
    if (clocks.has(context)) return clocks.get(context);
    const readings = [];
    const look = () => {
      readings.push(1000 * context.currentTime - performance.now());
      if (readings.length > PAST) readings.shift();
    };
    look();
    setInterval(look, 20);
    clocks.set(context, (time) => 1000 * time - Math.max(...readings));
    return clocks.get(context);
  };
  window.__levels = [];
  const keep = async (context, connect) => {
    const at = clockOf(context);
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
    const node = new AudioWorkletNode(context, "levels");
    node.port.onmessage = ({ data }) => data.forEach(([time, power]) => window.__levels.push([at(time), power]));
    connect(node);
  };
  window.__taps.push(keep);
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function () {
    const at = clockOf(this.context);
    const when = this.context.currentTime + 0.05;
    setTimeout(() => (window.__saidFrom = at(when)), 100);
    start.call(this, when);
  };
})();
