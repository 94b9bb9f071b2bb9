// What the page knows (browser facts and session status) and what that looks like. Pure: no DOM, no clock, no network.

export const TYPING_WORKS = "Typing works all the same.";

/** Everything the page knows. `kind` is the engine whose tab is shown; `call` tells of a call of this window. */
export const beginning = (kind = "") => ({
  kind,
  server: "connecting", // "connecting" | "here" | "gone"
  call: "none", // "none" | "asking" (for the microphone) | "connecting" | "up" | "lost" (goes on when the network is back)
  callKind: "",
  way: "", // the call's: "webrtc" or "websocket"
  forced: false, // TRANSPORT allows only that one
  trouble: "", // why the relay for calls cannot be used, told by the server
  silent: "", // why nothing can be heard here: "mute" (no device plays sound), "deaf" (nor can the microphone be read)
  muted: false,
  held: false,
  pressed: false, // the button is down: a tap, or the beginning of a hold
  byHand: false, // turns end when the button is let go
  problem: null, // { text, action?, level? }: what the page itself could not do
  recording: false, // both sides, in this browser
  note: "", // a hint that the next event wipes away
  session: { status: "Ready", kind: "", inCall: false, live: false, banner: null, offline: "" },
});

/** The facts after an event. Unknown events change nothing. */
export const after = (facts, event) => (reactions[event.is] ? { ...facts, ...reactions[event.is](facts, event) } : facts);

const reactions = {
  server_here: () => ({ server: "here" }),
  server_gone: () => ({ server: "gone" }), // the sound goes its own way and may still flow
  session: (facts, { session }) => {
    const same = (session.status ?? facts.session.status) === facts.session.status;
    return { session: { ...facts.session, ...session }, note: same ? facts.note : "" };
  },
  tab: (facts, { kind }) => ({ kind, note: "", problem: null }),
  mode: (_, { byHand }) => ({ byHand, note: "" }),
  asking: (facts) => ({ call: "asking", callKind: facts.kind, problem: null, note: "" }),
  connecting: () => ({ call: "connecting" }),
  up: (_, { way = "", forced = false, trouble = "" }) => ({ call: "up", problem: null, way, forced, trouble, silent: "" }),
  silent: (facts, { silent }) => (facts.call === "up" ? { silent } : {}),
  lost: (facts) => (facts.call === "up" ? { call: "lost" } : {}),
  ended: (_, { problem = null }) => ({ call: "none", callKind: "", way: "", trouble: "", silent: "", muted: false, held: false, problem }),
  problem: (_, { problem }) => ({ problem }),
  muted: (_, { muted }) => ({ muted }),
  held: (_, { held }) => ({ held }),
  pressed: (_, { pressed }) => ({ pressed }),
  recording: (_, { recording }) => ({ recording }),
  note: (_, { note }) => ({ note }),
};

/** Whether the microphone's sound may leave this browser. */
export const speaks = (facts) => facts.call !== "none" && !facts.muted && (!facts.byHand || facts.held || facts.pressed);

/** How it looks: `word` (a contract with #...-status), `caption` and `press` of the button, and one line of truth. */
export function look(facts) {
  const word = wordOf(facts);
  const shown = appearances[word] ?? appearances.Ready;
  return { word, look: shown.look, ...buttonOf(facts, word, shown), line: lineOf(facts, word) };
}

function wordOf(facts) {
  if (facts.server === "gone" || facts.call === "lost") return "Reconnecting";
  if (facts.server === "connecting" || facts.call === "asking" || facts.call === "connecting") return "Connecting";
  if (facts.call === "up" && !facts.session.live) return "Connecting"; // or it waits in line for a place
  if (facts.problem && facts.problem.level !== "info" && facts.call === "none") return "Error";
  return facts.session.status;
}

const appearances = {
  Ready: { look: "ready", caption: "Start conversation", press: "start" },
  Connecting: { look: "connecting", caption: "Connecting", press: "cancel" },
  Listening: { look: "listening", caption: "Listening", press: "hint" },
  "Hearing you": { look: "hearing", caption: "You are speaking", press: "end_turn" },
  Thinking: { look: "thinking", caption: "Thinking", press: "interrupt" },
  Speaking: { look: "speaking", caption: "Speaking", press: "interrupt" },
  Paused: { look: "paused", caption: "Paused", press: "interrupt" },
  Reconnecting: { look: "connecting", caption: "Reconnecting", press: "cancel" },
  Error: { look: "error", caption: "Start conversation", press: "start" },
};
const TALKING = ["Thinking", "Speaking", "Paused"];

function buttonOf(facts, word, shown) {
  if (facts.server !== "here") return { caption: shown.caption, press: "none", label: shown.caption };
  if (facts.call === "none") {
    const elsewhere = facts.session.inCall;
    const caption = elsewhere ? "Continue here" : "Start conversation";
    // A typed turn may be answered without a call: then the button still starts one, and Esc interrupts.
    return { caption, press: "start", label: caption, look: facts.problem ? "error" : "ready" };
  }
  const caption = facts.muted && word === "Listening" ? "Muted" : facts.byHand && word === "Listening" ? "Hold to speak" : shown.caption;
  const label = TALKING.includes(word) ? `${caption}. Press to interrupt` : caption;
  return { caption, press: shown.press, label };
}

function lineOf(facts, word) {
  const { session } = facts;
  const told = session.banner;
  if (facts.server === "gone") return error("The server does not answer. Trying again.");
  if (facts.call === "lost") return error("The connection is lost. It goes on by itself when the network is back.");
  if (facts.problem) return { level: "error", ...facts.problem };
  if (told && told.level !== "info") return { level: told.level, text: told.text };
  if (facts.call === "up" && facts.muted) {
    return { level: "warning", text: "You are muted: nothing you say is heard.", action: { label: "Unmute", do: "unmute" } };
  }
  if (facts.call === "up" && facts.silent) return { level: "warning", text: noSound[facts.silent] };
  if (facts.call === "none" && session.inCall) return info("This conversation is in a call in another window.");
  if (told) return { level: "info", text: told.text };
  if (facts.note) return info(facts.note);
  if (facts.trouble && word === "Listening") return { level: "warning", text: facts.trouble };
  return info(sentenceOf(facts, word));
}

function sentenceOf(facts, word) {
  if (facts.call === "asking") return "Allow the microphone: your browser asks for it.";
  if (facts.call === "none" && word !== "Ready" && word !== "Connecting") return "Press the button to hear the answers.";
  if (facts.byHand && word === "Listening") return "Hold the button, or Space, while you speak.";
  return word === "Listening" ? sentences.Listening + standInOf(facts) + detourOf(facts) : sentences[word] ?? "";
}

/** Whose work the offline provider does while somebody fails; ends with the session. */
function standInOf({ session }) {
  return session.live && session.offline ? ` For now, ${session.offline} runs offline.` : "";
}

/** Which way the sound goes when it is not the best one, and what that costs. */
function detourOf({ way, forced }) {
  if (way !== "websocket") return "";
  const why = forced ? "As TRANSPORT says, sound" : "WebRTC is blocked here, so sound";
  return ` ${why} goes over the page's own port: a poor network is heard as gaps.`;
}

const sentences = {
  Ready: "Press the button and speak, or type.",
  Connecting: "One moment.",
  Listening: "Speak any time.",
  "Hearing you": "Pause, and it answers.",
  Thinking: "The answer comes.",
  Speaking: "Speak or press the button to interrupt.",
  Paused: "It waits for what you say.",
};
const noSound = {
  mute: "No sound can be played on this device: read the answers here. Speak or type all the same.",
  deaf: "No sound can be played on this device, and without it this browser does not hear you: type, and read the answers.",
};
const info = (text) => ({ level: "info", text });
const error = (text) => ({ level: "error", text });

/** Why there is no microphone, in a sentence and with what to do. `name`: of the DOMException. */
export function microphoneProblem(name, browser = "") {
  const again = { action: { label: "Try again", do: "start" } };
  switch (name) {
    case "insecure":
      return { text: `This browser gives no microphone to this address: open the page over https, or on localhost. ${TYPING_WORKS}` };
    case "NotAllowedError":
    case "SecurityError":
      return { text: `The microphone is blocked for this page. ${howToAllow(browser)} ${TYPING_WORKS}`, ...again };
    case "NotFoundError":
    case "OverconstrainedError":
      return { text: `No microphone was found. Plug one in. ${TYPING_WORKS}`, ...again };
    case "revoked":
      return { text: `The microphone was taken away from this page, so the call ended. ${howToAllow(browser)}`, ...again };
    case "unplugged":
      return { text: "The microphone was unplugged and there is no other one, so the call ended. Plug one in.", ...again };
    default:
      return { text: `The microphone is in use elsewhere or switched off. Close the other program. ${TYPING_WORKS}`, ...again };
  }
}

function howToAllow(browser) {
  if (/Firefox/.test(browser)) return "In Firefox, press the crossed-out microphone left of the address and allow it.";
  if (/Edg|Chrome|Chromium/.test(browser)) return "Press the icon left of the address and allow the microphone.";
  if (/Safari/.test(browser)) return "In Safari, choose Settings for This Website from the menu and allow the microphone.";
  return "Allow it in your browser's settings for this page.";
}

/** Why no call came about. `way`: the one that was tried last; `forced`: TRANSPORT allows no other; `told`: by the server. */
export function notConnected(way, forced, told = "") {
  const guess =
    way === "webrtc" && forced
      ? "The call could not be connected: a firewall or VPN may block WebRTC, and TRANSPORT=webrtc on the server allows no other way. "
      : "The call could not be connected: neither WebRTC nor the page's own port carried it. ";
  return { text: told.includes(" ") ? told : guess + TYPING_WORKS, action: { label: "Try again", do: "start" } };
}
