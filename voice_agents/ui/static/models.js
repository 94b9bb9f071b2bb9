// Who does what, as it is now, and a button for each model server on this machine that could answer in the offline agent's place.

const byId = (id) => document.getElementById(id);

export class Models {
  constructor(kinds, send) {
    Object.assign(this, { kinds, send });
    for (const kind of kinds) this.#back(kind).onclick = () => this.#use("");
  }

  /** Let the server look for them. */
  ask() {
    this.send({ do: "models" });
  }

  hear({ who, offered, servers, chosen, text, problem }) {
    for (const kind of this.kinds) {
      byId(`${kind}-who`).innerHTML = who[kind];
      const section = byId(`${kind}-models`);
      const hadFocus = section.contains(document.activeElement) || section.contains(this.pressed);
      section.hidden = !offered && !problem;
      section.querySelector("p").textContent = [problem, text].filter(Boolean).join(" ");
      section.querySelector("ul").replaceChildren(...servers.map((server) => this.#offer(server)));
      this.#back(kind).hidden = !chosen;
      if (hadFocus) section.querySelector("button:not([hidden])")?.focus();
    }
    this.pressed = null;
  }

  #offer({ name, model }) {
    const line = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "va-preset", textContent: `Let ${name} answer` });
    button.onclick = () => this.#use(name, button);
    line.append(button, Object.assign(document.createElement("small"), { textContent: model }));
    return line;
  }

  #use(name, button = null) {
    this.pressed = button;
    this.send({ do: "use_model", name });
  }

  #back(kind) {
    return byId(`${kind}-models`).querySelector(":scope > button");
  }
}
