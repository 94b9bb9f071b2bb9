// Keeps what the page's calls play: mono float samples at 48 kHz, from each call's first packet on, silence included;
// and every microphone the page opened.
(() => {
  const Native = window.RTCPeerConnection;
  const worklet = `registerProcessor("keep", class extends AudioWorkletProcessor {
    process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; }
  })`;
  window.__played = [];
  window.__peers = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.__peers.push(this);
      this.addEventListener("track", async ({ track }) => {
        const context = new AudioContext({ sampleRate: 48000 });
        await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
        const keep = new AudioWorkletNode(context, "keep");
        keep.port.onmessage = ({ data }) => window.__played.push(data);
        context.createMediaStreamSource(new MediaStream([track])).connect(keep);
      });
    }
  };
  window.__microphones = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    window.__microphones.push(...stream.getTracks());
    window.__mostLive = Math.max(window.__mostLive ?? 0, window.__liveMicrophones());
    return stream;
  };
  window.__liveMicrophones = () => window.__microphones.filter((track) => track.readyState === "live").length;
  window.__playedBase64 = () => {
    const length = window.__played.reduce((sum, chunk) => sum + chunk.length, 0);
    const pcm = new Int16Array(length);
    let at = 0;
    for (const chunk of window.__played) for (const x of chunk) pcm[at++] = Math.max(-1, Math.min(1, x)) * 32767;
    let text = "";
    const bytes = new Uint8Array(pcm.buffer);
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
})();
