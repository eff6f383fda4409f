// Asks a worker what it would do with a request, and tells it.

import { byId, el } from "./dom.js";
import { spaced } from "./format.js";
import { tellDecision } from "./story.js";

// The Anthropic API refuses a request without a limit.
const MESSAGES_LIMIT = 1024;

const bodies = {
  "chat/completions": (model, text) => ({ model, messages: [{ role: "user", content: text }] }),
  completions: (model, text) => ({ model, prompt: text }),
  responses: (model, text) => ({ model, input: text }),
  messages: (model, text) => ({ model, max_tokens: MESSAGES_LIMIT, messages: [{ role: "user", content: text }] }),
};

export class Explain {
  constructor() {
    this.form = byId("question");
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.ask(); });
    for (const radio of this.form.elements.kind) radio.addEventListener("change", () => this.changeKind());
  }

  fillChoices({ endpoints, virtual_models: virtual, models }) {
    const { endpoint, model } = this.form.elements;
    const chosen = endpoint.value;
    endpoint.replaceChildren(...endpoints.map((name) => el("option", { value: name }, `/v1/${name}`)));
    if (endpoints.includes(chosen)) endpoint.value = chosen;
    byId("model-names").replaceChildren(...[...virtual, ...models.map((each) => each.name)].map((value) => el("option", { value })));
    if (!model.dataset.filled && virtual.length) model.value = virtual[0];
    model.dataset.filled = "yes";
  }

  changeKind() {
    const { kind, text, model, endpoint } = this.form.elements;
    const isWhole = kind.value === "json";
    byId("text-label").textContent = isWhole ? "Request body, JSON" : "Prompt";
    text.spellcheck = !isWhole;
    model.disabled = isWhole;
    if (isWhole) text.value = JSON.stringify(bodies[endpoint.value](model.value, text.value), null, 2);
    else text.value = promptOf(text.value);
  }

  read() {
    const { endpoint, model, kind, text, headers } = this.form.elements;
    const named = {};
    headers.value.split("\n").filter((line) => line.trim()).forEach((line) => {
      const colon = line.indexOf(":");
      if (colon < 1) throw new Error(`Headers: “${line.trim()}” is not like “x-tenant-id: acme”.`);
      named[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
    });
    if (kind.value === "prompt") return { path: `/v1/${endpoint.value}`, headers: named, body: bodies[endpoint.value](model.value, text.value) };
    try {
      return { path: `/v1/${endpoint.value}`, headers: named, body: JSON.parse(text.value) };
    } catch (error) {
      throw new Error(`The request body is not JSON: ${error.message}`);
    }
  }

  async ask() {
    const fault = byId("question-fault"), answer = byId("answer");
    const button = this.form.querySelector("[type=submit]");
    fault.hidden = true;
    button.disabled = true;
    answer.setAttribute("aria-busy", "true");
    try {
      const question = this.read();
      const response = await fetch("/explain", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question) });
      const told = await response.json().catch(() => ({ error: response.statusText }));
      if (!response.ok) throw new Error(told.error);
      answer.replaceChildren(...tell(told, question).flat(2).filter(Boolean));
      answer.focus({ preventScroll: true });
      if (matchMedia("(max-width: 60rem)").matches) answer.scrollIntoView({ block: "start" });
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    } finally {
      button.disabled = false;
      answer.removeAttribute("aria-busy");
    }
  }
}

const tell = ({ status, record, body }, { path }) => {
  if (!record) return [el("p", { class: "lead" }, `The router would leave a request at ${path} alone.`)];
  const lead = status === 200
    ? [el("strong", {}, record.model), " would be asked first: tier ", el("span", { class: `tier tier-${record.tier}` }, record.tier), ", by ", el("strong", {}, spaced(record.reason)), "."]
    : ["It would be rejected with ", el("strong", {}, String(status)), ", by ", el("strong", {}, spaced(record.reason)), "."];
  return [el("p", { class: "lead" }, lead), status !== 200 && body && el("pre", { tabindex: 0 }, pretty(body)), tellDecision(record)];
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

/** Back from a whole request to its prompt, if it has one that is plain. */
const promptOf = (text) => {
  try {
    const { messages, input, prompt } = JSON.parse(text);
    const last = messages?.at(-1)?.content ?? input ?? prompt;
    return typeof last === "string" ? last : text;
  } catch {
    return text;
  }
};
