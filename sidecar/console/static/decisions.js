// The table of decisions, its filters, and the story of the one that is chosen.

import { byId, el } from "./dom.js";
import { count, seconds, spaced, time, TIERS, usd } from "./format.js";
import { tellRequest } from "./story.js";

const PAGE = 50;
const FIELDS = ["tier", "reason", "result", "tenant", "model"];

export class Decisions {
  constructor(stream, traceUrl) {
    this.stream = stream;
    this.traceUrl = traceUrl;
    this.shown = PAGE;
    this.isPaused = false;
    this.body = byId("rows").tBodies[0];
    this.form = byId("filters");
    this.made = new Map(); // rows of the table by number, so that what stands there stays there
    this.form.addEventListener("input", () => this.filter());
    this.form.addEventListener("reset", () => setTimeout(() => this.filter()));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.open(this.form.elements.id.value.trim()); });
    byId("more").addEventListener("click", () => { this.shown += PAGE; this.draw(); });
    byId("pause").addEventListener("click", () => this.pause());
    byId("close").addEventListener("click", () => byId("story").close());
    byId("story").addEventListener("click", (event) => { if (event.target === byId("story")) byId("story").close(); });
  }

  pause() {
    this.isPaused = !this.isPaused;
    byId("pause").setAttribute("aria-pressed", this.isPaused);
    byId("pause").textContent = this.isPaused ? "Resume" : "Pause";
    this.draw();
  }

  filter() {
    this.shown = PAGE;
    this.draw();
    this.tellCount();
  }

  take() {
    this.fillOptions();
    if (this.connection !== this.stream.connections) { // another collector may count anew
      for (const node of this.made.values()) node.remove();
      this.made.clear();
    }
    this.draw();
    if (this.connection === undefined) this.tellCount();
    this.connection = this.stream.connections;
  }

  draw() {
    if (!this.isPaused) this.rows = this.stream.rows;
    this.matching = (this.rows ?? []).filter(this.matcher());
    const rows = this.matching.slice(0, this.shown);
    const kept = new Map(rows.map((row) => [row.number, this.made.get(row.number) ?? this.make(row)]));
    for (const [number, node] of this.made) if (!kept.has(number)) node.remove();
    let before = this.body.firstChild;
    for (const node of kept.values()) {
      if (node === before) before = before.nextSibling;
      else this.body.insertBefore(node, before);
    }
    this.made = kept;
    byId("more").hidden = this.matching.length <= this.shown;
    byId("empty").hidden = this.matching.length > 0;
    byId("empty").textContent = this.rows?.length ? "None of the last requests matches." : "No request yet. The first one shows up here within a second or two of its end.";
  }

  /** When filters change, not with every request: screen readers say it. */
  tellCount() {
    const all = this.rows?.length ?? 0;
    const matching = this.matching.length;
    byId("count").textContent = matching === all ? "The last requests, newest first" : `${count(matching)} of the last ${count(all)}`;
  }

  matcher() {
    const values = new FormData(this.form);
    const wanted = FIELDS.map((field) => [field, values.get(field)]).filter(([, value]) => value);
    const id = values.get("id").trim().toLowerCase();
    return (row) => wanted.every(([field, value]) => (row[field] ?? "–") === value) && (!id || (row.decision_id ?? "").startsWith(id));
  }

  fillOptions() {
    for (const field of FIELDS) {
      const select = this.form.elements[field];
      const known = new Set([...select.options].map((option) => option.value));
      const found = new Set(this.stream.rows.map((row) => row[field] ?? "–"));
      const added = [...found].filter((value) => !known.has(value));
      if (!added.length) continue;
      const order = field === "tier" ? (value) => TIERS.indexOf(value) : () => 0;
      const values = [...known, ...added].filter(Boolean).sort((one, other) => order(one) - order(other) || one.localeCompare(other)).slice(0, 500);
      const chosen = select.value;
      select.replaceChildren(el("option", { value: "" }, "All"), ...values.map((value) => el("option", { value }, field === "reason" || field === "result" ? spaced(value) : value)));
      select.value = chosen;
    }
  }

  make(row) {
    const attempts = row.attempts > 1 ? `${row.attempts} attempts` : "";
    const open = el("button", { type: "button", class: "link", "aria-haspopup": "dialog", onclick: () => this.open(row.number) }, el("time", { datetime: row.time }, time(row.time)));
    return el("tr", { onclick: (event) => { if (!event.target.closest("button")) this.open(row.number); } },
      el("th", { scope: "row" }, open),
      el("td", { class: "name" }, row.model ?? "–", attempts && el("span", { class: "sub" }, attempts),
        el("span", { class: "sub narrow" }, [row.tier, spaced(row.reason), row.tenant].filter(Boolean).join(" · ")),
        row.result !== "success" && el("span", { class: `sub narrow result result-${row.result}` }, spaced(row.result), row.status > 0 && ` ${row.status}`)),
      el("td", {}, row.tier ? el("span", { class: `tier tier-${row.tier}` }, row.tier) : "–"),
      el("td", {}, row.bypassed ? "bypassed" : spaced(row.reason) || "–"),
      el("td", { class: "name" }, row.tenant ?? "–"),
      el("td", {}, el("span", { class: `result result-${row.result}` }, spaced(row.result)), row.result !== "success" && row.status > 0 && el("span", { class: "sub" }, String(row.status))),
      el("td", { class: "number" }, usd(row.cost)),
      el("td", { class: `number${row.saving < 0 ? " worse" : ""}` }, usd(row.saving)),
      el("td", { class: "number" }, seconds(row.first_byte_seconds)),
      el("td", { class: "number" }, seconds(row.seconds)));
  }

  async open(key) {
    if (!key) return;
    const story = byId("story"), body = byId("story-body");
    byId("story-title").textContent = "Request";
    body.replaceChildren(el("p", { class: "empty" }, "Loading"));
    if (!story.open) story.showModal();
    story.scrollTop = 0;
    try {
      const response = await fetch(`/requests/${encodeURIComponent(key)}`);
      const told = await response.json();
      if (!response.ok) throw new Error(told.error);
      byId("story-title").textContent = `Request at ${time(told.request.time)}`;
      body.replaceChildren(...tellRequest(told.request, this.traceUrl()).flat().filter(Boolean), feedbackForm(told.request.decision_id));
    } catch (error) {
      body.replaceChildren(el("p", { class: "fault", role: "alert" }, `This request cannot be shown: ${error.message}`));
    }
  }
}

const feedbackForm = (decision) => {
  if (!decision) return "";
  const said = el("p", { class: "hint", role: "status" });
  const send = async (score) => {
    const response = await fetch("/feedback", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ decision_id: decision, score }) });
    said.textContent = response.ok ? "Thank you, noted with the records." : `Not noted: ${(await response.json()).error}`;
  };
  return el("section", { class: "feedback" }, el("h3", {}, "Was it the right model?"),
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => send(1) }, "Yes"), el("button", { type: "button", onclick: () => send(0) }, "No")), said);
};
