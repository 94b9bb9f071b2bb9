// The device menu: microphone with its level, loudspeaker with a test sound.

import { settings } from "./memory.js";
import { runs, sound } from "./microphone.js";

const TEST_S = 0.6;

export function prepareDevices(caller) {
  const microphone = document.getElementById("va-microphone");
  const loudspeaker = document.getElementById("va-loudspeaker");
  const fill = async () => {
    const found = await navigator.mediaDevices?.enumerateDevices?.().catch(() => []) ?? [];
    offer(microphone, found, "audioinput", settings.get().microphone);
    offer(loudspeaker, found, "audiooutput", settings.get().loudspeaker);
  };
  microphone.onchange = () => {
    settings.set({ microphone: microphone.value });
    caller.change(microphone.value);
  };
  loudspeaker.onchange = () => {
    settings.set({ loudspeaker: loudspeaker.value });
    caller.call?.output(loudspeaker.value);
  };
  document.getElementById("va-test").onclick = () => play(loudspeaker.value);
  navigator.mediaDevices?.addEventListener?.("devicechange", fill);
  const meter = document.getElementById("va-meter");
  return { fill, level: (value) => (meter.value = value) };
}

function offer(select, devices, kind, chosen) {
  const found = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
  select.replaceChildren(new Option("Default", ""), ...found.map(({ label, deviceId }) => new Option(label || "Unnamed device", deviceId)));
  select.value = found.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
  select.disabled = found.length === 0;
}

async function play(deviceId) {
  const context = sound();
  if (!(await runs())) return;
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 523 });
  const gain = new GainNode(context, { gain: 0.2 });
  tone.connect(gain).connect(out);
  const speaker = new Audio();
  speaker.srcObject = out.stream;
  if (deviceId) await speaker.setSinkId?.(deviceId).catch(() => {});
  await speaker.play().catch(() => {});
  tone.start();
  tone.stop(context.currentTime + TEST_S);
}
