// What this browser remembers: for ever (identity, settings) and until the window is closed (tab, draft, place).

const read = (store, name, otherwise) => {
  try {
    return { ...otherwise, ...JSON.parse(store.getItem(name)) };
  } catch {
    return { ...otherwise };
  }
};
const write = (store, name, value) => {
  try {
    store.setItem(name, JSON.stringify(value));
  } catch {
    // full or forbidden: the page works without remembering
  }
};

const kept = (store, name, otherwise) => {
  const value = read(store, name, otherwise);
  return {
    get: () => value,
    set: (change) => write(store, name, Object.assign(value, change)),
    forget: (key) => delete value[key] && write(store, name, value),
  };
};

const local = () => { try { return window.localStorage; } catch { return null; } };
const session = () => { try { return window.sessionStorage; } catch { return null; } };

/** 128 bits that nobody guesses, in the server's form; made here, a call or a word need not wait for its answer. */
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Who this browser is and the conversation it is in. */
export const identity = kept(local(), "voice-agents", { owner: newId(), conversation: newId() });
identity.renew = () => identity.set({ conversation: newId() });
export const settings = kept(local(), "voice-agents-settings", { voices: {}, theme: "", microphone: "", loudspeaker: "", record: false });
export const deleted = kept(local(), "voice-agents-deleted", {}); // conversations whose recordings go: id and when
export const place = kept(session(), "voice-agents-place", { tab: "", drafts: {}, scroll: null, restarted: false });
