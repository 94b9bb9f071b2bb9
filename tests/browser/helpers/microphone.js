// A microphone that is silent until a test tells it what to say.
(() => {
  let context, out;
  navigator.mediaDevices.getUserMedia = async () => {
    context ??= new AudioContext({ sampleRate: 48000 });
    out ??= context.createMediaStreamDestination();
    const hum = new ConstantSourceNode(context, { offset: 0 }); // without a source Chromium sends no packets at all
    hum.connect(out);
    hum.start();
    return out.stream.clone();
  };
  // int16 mono at 48 kHz as base64; done when the last sample was spoken, begun at __saidAt
  window.__say = (base64) =>
    new Promise((done) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const samples = Float32Array.from(new Int16Array(bytes.buffer), (x) => x / 32768);
      const buffer = context.createBuffer(1, samples.length, 48000);
      buffer.copyToChannel(samples, 0);
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(out);
      source.onended = () => done();
      source.start();
      window.__saidAt = performance.now();
    });
})();
