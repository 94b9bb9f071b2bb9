// The window's WebSocket to the server: tells when it is here or gone, and tries again until it is here.

const RETRY_MS = 700;
const PING_MS = 2000;
const SILENT_MS = 5000; // no answer to a ping for so long: the network is away, though nobody closed anything

export class Link {
  constructor(hear, here, gone) {
    Object.assign(this, { hear, here, gone, boot: null, page: null, heardAt: 0 });
    this.connect();
    setInterval(() => this.#watch(), PING_MS);
    window.addEventListener("online", () => this.#tryNow());
    window.addEventListener("offline", () => this.socket?.close());
  }

  connect() {
    const address = new URL("page/window", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    let opened = false;
    socket.onopen = () => (opened = true);
    socket.onmessage = ({ data }) => socket === this.socket && this.#take(JSON.parse(data));
    socket.onclose = () => socket === this.socket && this.#lost(opened);
  }

  send(message) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  #take(message) {
    this.heardAt = performance.now();
    if (message.type === "pong") return;
    if (message.type !== "hello") return this.hear(message);
    const other = this.boot !== null && this.boot !== message.boot; // restarted, or another instance
    const changed = other && this.page !== message.page;
    Object.assign(this, { boot: message.boot, page: message.page });
    this.here(other, changed);
  }

  async #lost(opened) {
    this.gone();
    if (!opened) await this.#askForThePassword();
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), RETRY_MS);
  }

  /** A server that was restarted knows nobody any more: the page itself asks for the password again. */
  async #askForThePassword() {
    const { root = "", api_prefix = "" } = window.gradio_config ?? {};
    const answer = await fetch(`${root}${api_prefix}/login_check`).catch(() => null);
    if (answer?.status === 401) location.reload();
  }

  #tryNow() {
    if (this.socket.readyState === WebSocket.OPEN) return;
    clearTimeout(this.retry);
    this.connect();
  }

  #watch() {
    if (!this.send({ do: "ping" }) || !this.heardAt) return;
    if (performance.now() - this.heardAt < SILENT_MS) return;
    const socket = this.socket;
    this.socket = { readyState: WebSocket.CLOSED };
    socket.close(); // its own end may take a minute
    this.#lost(true);
  }
}
