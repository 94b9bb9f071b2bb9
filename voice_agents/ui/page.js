// What only the browser can do: one open microphone at a time, silence while push-to-talk is not held, and going on
// by itself after the server was gone.
() => {
  const page = (window.voiceAgents = window.voiceAgents || { pushToTalk: false, held: false, streams: {}, calling: null, tab: null });
  const CONNECT_MS = 30000;
  const RELEASE_TAIL_MS = 150; // the last syllable is still on its way when the button comes up
  const tracks = () => Object.values(page.streams).flatMap((stream) => stream.getAudioTracks());
  const stopSign = (tab) => document.querySelector(`#${tab}-mic [title="stop recording"]`);

  page.shown = () => (page.tab ??= document.querySelector("[data-tab-id]")?.dataset.tabId); // gradio tells of changes only
  page.hush = () => {
    for (const track of tracks()) track.enabled = !page.pushToTalk || page.held;
  };
  page.setPushToTalk = (on) => {
    page.pushToTalk = on;
    page.hush();
  };
  page.callStarted = (tab) => (page.shown() === tab ? (page.calling = tab) : endCall(tab));
  page.callStopped = (tab) => (page.calling = page.calling === tab ? null : page.calling);
  // Another engine's tab is shown: a call in the tab before is over, its microphone shut at once.
  page.turnTo = (tab, pushToTalk) => {
    const left = page.shown();
    page.tab = tab;
    page.setPushToTalk(pushToTalk);
    if (left === tab) return;
    tracks().forEach((track) => track.stop());
    if (page.calling === left) endCall(left, 2000);
  };
  // The server ends a call it knows. One that is still connecting is stopped in the component as soon as it stands.
  const endCall = (tab, afterMs = 0) => {
    page.callStopped(tab);
    const since = performance.now();
    const look = () => {
      if (page.shown() === tab || performance.now() - since > CONNECT_MS) return;
      const sign = stopSign(tab);
      sign ? sign.closest("button").click() : setTimeout(look, 100);
    };
    setTimeout(look, afterMs);
  };

  if (page.ready) return;
  page.ready = true;

  // gradio 5 never opens its event stream a second time after it broke: only a fresh page hears from the server again.
  const goOn = async () => {
    const alive = await plainFetch(location.href, { cache: "no-store" }).then((answer) => answer.ok, () => false);
    alive ? location.reload() : setTimeout(goOn, 1000);
  };
  // The component names a call by a word of Math.random, which can be guessed: the server is told 128 real random bits.
  const callIds = {};
  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const withOwnIds = (options) => {
    if (typeof options?.body !== "string" || !options.body.includes('"webrtc_id":"')) return options;
    const body = options.body.replace(/"webrtc_id":"([0-9a-z]+)"/g, (_, word) => `"webrtc_id":"${(callIds[word] ??= newId())}"`);
    return { ...options, body };
  };
  const plainFetch = window.fetch.bind(window);
  window.fetch = async (what, options) => {
    const answer = await plainFetch(what, withOwnIds(options));
    if (String(what?.url ?? what).includes("/queue/data")) {
      answer.clone().body.pipeTo(new WritableStream()).catch((error) => error.name === "AbortError" || goOn());
    }
    return answer;
  };

  // Labels that are wrong: a Stop button "start stream", a microphone "webcam", a message its own source text.
  const rename = () => {
    const wrong = '.va-mic [aria-label="start stream"], .va-chat [data-testid][aria-label]';
    document.querySelectorAll(wrong).forEach((it) => it.removeAttribute("aria-label"));
    document.querySelectorAll('.va-mic [title="grant webcam access"]').forEach((it) => (it.title = "Allow the microphone"));
  };
  new MutationObserver(rename).observe(document.body, { childList: true, subtree: true });
  rename();

  if (!navigator.mediaDevices?.getUserMedia) {
    document.body.classList.add("va-no-mic");
    return;
  }

  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    tracks().forEach((track) => track.stop());
    // After a call the component opens the microphone again, only to draw its level: it gets the one that is shut.
    if (page.streams[page.stopping]) return page.streams[page.stopping];
    const tab = page.shown();
    const stream = (page.streams[tab] = await open(constraints));
    if (page.shown() !== tab) stream.getTracks().forEach((track) => track.stop());
    page.hush();
    return stream;
  };
  document.addEventListener(
    "click",
    ({ target }) => {
      page.stopping = Object.keys(page.streams).find((tab) => stopSign(tab)?.closest("button").contains(target));
      setTimeout(() => (page.stopping = null)); // the component asks before this event is over
    },
    true,
  );

  const button = (event) => event.target.closest?.(".va-hold");
  const hold = (element) => {
    page.held = true;
    element.classList.add("va-held");
    page.hush();
  };
  const release = () => {
    if (!page.held) return;
    document.querySelectorAll(".va-held").forEach((element) => element.classList.remove("va-held"));
    page.held = false;
    setTimeout(page.hush, RELEASE_TAIL_MS);
  };
  document.addEventListener("pointerdown", (event) => {
    const element = button(event);
    if (!element) return;
    element.setPointerCapture(event.pointerId); // released outside, it still is a click on the button
    hold(element);
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) window.addEventListener(end, release);
  document.addEventListener("keydown", (event) => {
    const element = button(event);
    if (!element || (event.key !== " " && event.key !== "Enter")) return;
    if (event.key === "Enter") event.preventDefault(); // Enter would click on the way down
    if (!event.repeat) hold(element);
  });
  document.addEventListener("keyup", (event) => {
    const element = button(event);
    if (element && event.key === "Enter" && page.held) element.click();
    release();
  });
}
