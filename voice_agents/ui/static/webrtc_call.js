// A call over WebRTC, answered by the fastrtc component of the tab. The shape of every call (other transports have it too):
//   new Call(kind, wanted, stream), .start() -> promise, .stop(), .replace(track), .level, .voice, .output(deviceId),
//   .onup(), .onlost(), .onend(sentence)   sentence: why the server ended it, or "" when the user knows.

import { Loudspeaker } from "./loudspeaker.js";
import { Level } from "./microphone.js";

const CONNECT_MS = 10000;
const GATHER_MS = 300; // addresses found by then go with the offer, later ones after it

export class NotConnected extends Error {}

export class WebRtcCall {
  constructor(kind, wanted, stream) {
    Object.assign(this, { kind, wanted, stream, onup() {}, onlost() {}, onend() {} });
    this.id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.over = false;
  }

  /** Resolves when sound flows both ways. Throws NotConnected. */
  async start() {
    if (!globalThis.RTCPeerConnection) throw new NotConnected();
    const found = (await this.#ask("turn", null)) ?? {};
    this.trouble = found.trouble; // the relay for calls cannot be used, in a sentence
    const peer = (this.peer = new RTCPeerConnection(found.error ? {} : found));
    this.sender = peer.addTrack(this.stream.getAudioTracks()[0], this.stream);
    peer.ontrack = ({ streams, track }) => this.#play(streams[0] ?? new MediaStream([track]));
    const channel = peer.createDataChannel("text");
    channel.onopen = () => channel.send("handshake");
    channel.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    const waiting = [];
    let answered = false;
    const tell = (candidate) => this.#ask("offer", { candidate: candidate.toJSON(), webrtc_id: this.id, type: "ice-candidate" });
    peer.onicecandidate = ({ candidate }) => candidate?.candidate && (answered ? tell(candidate) : waiting.push(candidate));
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    if (this.over) return;
    const { sdp, type } = peer.localDescription;
    waiting.length = 0; // they stand in the offer
    const answer = await this.#ask("offer", { sdp, type, webrtc_id: this.id, wanted: { ...this.wanted, turns_down: true } });
    if (this.over) return;
    if (!answer?.sdp) throw new NotConnected(answer?.meta?.error ?? "");
    await peer.setRemoteDescription(answer);
    answered = true;
    waiting.forEach(tell);
    await this.#connected();
  }

  #connected() {
    const { peer } = this;
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new NotConnected()), CONNECT_MS);
      peer.onconnectionstatechange = () => {
        const state = peer.connectionState;
        if (state === "connected") {
          clearTimeout(late);
          done();
          this.onup();
        } else if (state === "failed" || state === "closed") {
          failed(new NotConnected());
          if (!this.over) this.onlost();
        } else if (state === "disconnected") this.onlost();
      };
      peer.onconnectionstatechange();
    });
  }

  #play(stream) {
    this.receiver = new Audio(); // in Chromium nothing comes of a stream that no element plays
    Object.assign(this.receiver, { muted: true, srcObject: stream });
    this.receiver.play().catch(() => {});
    this.loudspeaker = new Loudspeaker();
    this.loudspeaker.plays(this.loudspeaker.context.createMediaStreamSource(stream));
    this.meter = new Level(this.voice);
    if (this.outputId) this.output(this.outputId);
  }

  #hear({ type, data, volume }) {
    if (type === "end_stream") this.#end(typeof data === "string" ? data : "");
    else if (type === "volume") this.loudspeaker?.setVolume(volume);
    else if (type === "hush") this.loudspeaker?.hush();
  }

  async #ask(fn_name, data) {
    const { root = "", api_prefix = "", components } = window.gradio_config;
    const component_id = components.find(({ props }) => props.elem_id === `${this.kind}-mic`).id;
    const body = JSON.stringify({ component_id, fn_name, data, session_hash: this.id });
    const request = { method: "POST", headers: { "content-type": "application/json" }, body };
    const answer = await fetch(`${root}${api_prefix}/component_server`, request).catch(() => null);
    if (!answer?.ok) throw new NotConnected();
    return answer.json();
  }

  async replace(track) {
    this.stream = new MediaStream([track]);
    await this.sender?.replaceTrack(track);
  }

  /** The node the agent sounds from, once it is up. */
  get voice() {
    return this.loudspeaker?.node;
  }

  get level() {
    return this.meter?.level ?? 0;
  }

  output(deviceId) {
    this.outputId = deviceId;
    this.loudspeaker?.output(deviceId);
  }

  stop() {
    this.over = true;
    this.receiver?.pause();
    this.loudspeaker?.stop();
    this.peer?.close();
  }

  #end(sentence) {
    if (this.over) return;
    this.stop();
    this.onend(sentence);
  }
}

const gathered = (peer) =>
  new Promise((done) => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHER_MS);
    look();
  });
