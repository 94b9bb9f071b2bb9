// A call over a WebSocket on the page's own port, where WebRTC does not get through; it has the shape told in webrtc_call.js.

import { Loudspeaker } from "./loudspeaker.js";
import { Level, runs, sound } from "./microphone.js";
import { ClockedNode, RecordedMicrophone } from "./no_device.js";
import { NotConnected } from "./webrtc_call.js";

const CONNECT_MS = 10000;
const MOST_UNSENT_BYTES = 150000; // 3 s of sound at 24 kHz: a network so slow is no use to a conversation

export class SocketCall {
  constructor(kind, wanted, stream) {
    Object.assign(this, { kind, wanted, stream, onup() {}, onlost() {}, onend() {}, over: false, up: false, early: [] });
  }

  /** Begins to listen: what is said until the call is up is kept and answered. */
  async prepare() {
    await (this.listening ??= this.#listen());
  }

  /** Resolves when sound flows both ways. Throws NotConnected. */
  async start() {
    this.late = setTimeout(() => this.#close(), CONNECT_MS);
    try {
      const [{ input_rate, output_rate }] = await Promise.all([this.#connect(), this.prepare()]);
      await this.#speak(output_rate);
      if (this.over) return;
      this.capture.port.onmessage = ({ data }) => this.#send(data);
      this.capture.port.postMessage(input_rate);
    } catch (error) {
      throw error instanceof NotConnected ? error : new NotConnected();
    } finally {
      clearTimeout(this.late);
    }
    this.up = true;
    this.onup();
  }

  async #listen() {
    const context = sound();
    this.silent = !(await runs());
    if (this.over) return;
    if (this.silent) return this.#listenWithoutDevice();
    await context.audioWorklet.addModule(worklet("capture"));
    if (this.over) return;
    this.capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    this.capture.connect(context.destination); // it says nothing there, but what leads nowhere may not run
    this.#from(this.stream);
  }

  /** Where the microphone cannot be read either, silence is sent: typed words are answered. */
  #listenWithoutDevice() {
    this.deaf = !RecordedMicrophone.possible;
    this.capture = new ClockedNode("capture", RecordedMicrophone.rate, !this.deaf);
    this.#from(this.stream);
  }

  #from(stream) {
    this.source?.disconnect();
    if (this.deaf) return;
    if (this.silent) return (this.source = new RecordedMicrophone(stream, (samples) => this.capture.feed(samples)));
    this.source = sound().createMediaStreamSource(stream);
    this.source.connect(this.capture);
  }

  #connect() {
    const address = new URL("page/call", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ ...this.wanted, type: "hello", kind: this.kind }));
    return new Promise((ready, failed) => {
      socket.onmessage = ({ data }) => this.#hear(data, ready);
      socket.onclose = () => {
        failed(new NotConnected());
        this.#closed();
      };
    });
  }

  #hear(data, ready) {
    if (data instanceof ArrayBuffer) return this.#play(data);
    const message = JSON.parse(data);
    if (message.type === "opening") clearTimeout(this.late); // it may stand in line for a place
    else if (message.type === "ready") ready(message);
    else if (message.type === "ended") this.#end(message.text);
    else this.#play(message);
  }

  async #speak(rate) {
    const player = this.silent ? new ClockedNode("player", rate) : await this.#sounding(rate);
    if (this.over) return player?.disconnect();
    this.player = player;
    player.port.onmessage = ({ data }) => this.#played(data);
    if (this.outputId) await this.output(this.outputId);
    const waiting = this.early;
    this.early = null;
    waiting.forEach((message) => this.#play(message));
  }

  async #sounding(rate) {
    const { context } = (this.loudspeaker = new Loudspeaker(rate));
    await context.audioWorklet.addModule(worklet("player"));
    if (this.over) return;
    const player = new AudioWorkletNode(context, "player", { numberOfInputs: 0, outputChannelCount: [1] });
    this.meter = new Level(player);
    this.loudspeaker.plays(player);
    return player;
  }

  #play(message) {
    if (this.early) return this.early.push(message);
    this.player.port.postMessage(message, message instanceof ArrayBuffer ? [message] : []);
  }

  #played({ turn, epoch, position, stopped }) {
    const { outputLatency = 0, sampleRate = 0 } = this.loudspeaker?.context ?? {};
    const onItsWay = stopped ? 0 : Math.round((outputLatency || 0) * sampleRate);
    this.played = { turn, epoch, position: Math.max(0, position - onItsWay) };
    this.#send(JSON.stringify({ type: "played", ...this.played }));
  }

  #send(data) {
    if (this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount < MOST_UNSENT_BYTES) this.socket.send(data);
  }

  async replace(track) {
    this.stream = new MediaStream([track]);
    if (this.capture) this.#from(this.stream);
  }

  get voice() {
    return this.silent ? null : this.player;
  }

  get level() {
    return this.meter?.level ?? 0;
  }

  async output(deviceId) {
    this.outputId = deviceId;
    await this.loudspeaker?.output(deviceId);
  }

  stop() {
    this.over = true;
    this.#close();
    this.source?.disconnect();
    for (const node of [this.capture, this.player]) {
      node?.port.postMessage("stop");
      node?.disconnect();
    }
    this.loudspeaker?.stop();
  }

  #close() {
    this.socket?.close();
  }

  #closed() {
    if (this.up && !this.over) this.onlost();
  }

  #end(sentence) {
    if (this.over) return;
    this.stop();
    this.onend(sentence);
  }
}

const worklet = (name) => new URL(`./worklets/${name}.js`, import.meta.url);
