// What only the browser can do: one open microphone at a time, silence while push-to-talk is not held, and going on
// by itself after the server was gone.
() => {
  const page = (window.voiceAgents = window.voiceAgents || { pushToTalk: false, held: false, stream: null, wanted: false });
  const RELEASE_TAIL_MS = 150; // the last syllable is still on its way when the button comes up

  page.hush = () => {
    for (const track of page.stream?.getAudioTracks() ?? []) track.enabled = !page.pushToTalk || page.held;
  };
  page.setPushToTalk = (on) => {
    page.pushToTalk = on;
    page.hush();
  };
  page.callStarted = () => (page.wanted = true);
  // The component opens the microphone again after a call, only to draw its level: a user who stopped expects it shut.
  page.callStopped = () => {
    page.wanted = false;
    setTimeout(() => page.wanted || page.stream?.getTracks().forEach((track) => track.stop()), 1200);
  };

  if (page.ready) return;
  page.ready = true;

  // gradio 5 never opens its event stream a second time after it broke: only a fresh page hears from the server again.
  const goOn = async () => {
    const alive = await plainFetch(location.href, { cache: "no-store" }).then((answer) => answer.ok, () => false);
    alive ? location.reload() : setTimeout(goOn, 1000);
  };
  const plainFetch = window.fetch.bind(window);
  window.fetch = async (...request) => {
    const answer = await plainFetch(...request);
    if (String(request[0]?.url ?? request[0]).includes("/queue/data")) {
      answer.clone().body.pipeTo(new WritableStream()).catch((error) => error.name === "AbortError" || goOn());
    }
    return answer;
  };

  if (!navigator.mediaDevices?.getUserMedia) {
    document.body.classList.add("va-no-mic");
    return;
  }

  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await open(constraints);
    page.stream?.getTracks().forEach((track) => track.stop());
    page.stream = stream;
    page.hush();
    return stream;
  };

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
