// Keys anywhere in the page, and the long press on the button: both hold to speak.

const LONG_PRESS_MS = 350;

const isTyping = (target) => target.closest?.("textarea, input, select, [contenteditable]");
const isPressable = (target) => target.closest?.("button, a, summary, dialog");

/** `act(name)`: "interrupt", "mute", "new", "conversations", "type", "help", "hold", "release". */
export function listenToKeys(act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:modal")) return;
    if (event.key === "Escape") return act("interrupt");
    if (isTyping(event.target)) return;
    const named = { m: "mute", n: "new", c: "conversations", "/": "type", "?": "help" }[event.key.toLowerCase()];
    if (named && !event.repeat) {
      event.preventDefault();
      act(named);
    }
    if (event.key === " " && !holdsItself(event.target)) {
      event.preventDefault();
      if (!event.repeat) act("hold");
    }
  });
  document.addEventListener("keyup", (event) => event.key === " " && act("release"));
  window.addEventListener("blur", () => act("release"));
}

/** A button that has the focus is pressed by Space, except the talk button, which is held by it. */
const holdsItself = (target) => isPressable(target) && !target.closest(".va-talk");

/** A press on the talk button is a tap, or a hold when it lasts. `act(name)`: "down", "up", "press", "hold", "release". */
export function listenToButton(button, act) {
  let waiting = null;
  let held = false;
  const release = () => {
    clearTimeout(waiting);
    waiting = null;
    if (held) act("release");
    act("up");
  };
  button.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held = false;
    act("down");
    try {
      button.setPointerCapture(event.pointerId); // released outside, it still is let go
    } catch {
      // a pointer that is gone already
    }
    waiting = setTimeout(() => {
      held = true;
      act("hold");
    }, LONG_PRESS_MS);
  });
  for (const end of ["pointerup", "pointercancel"]) button.addEventListener(end, release);
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch would open a menu
  button.addEventListener("click", (event) => {
    if (held && event.detail !== 0) return (held = false); // the end of a hold
    act("press");
  });
  button.addEventListener("keyup", (event) => event.key === " " && event.preventDefault()); // Space holds, it does not click
}
