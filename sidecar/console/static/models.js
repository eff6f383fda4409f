// Models with their health: those of the policy, and those that were asked under another one.

import { byId, el } from "./dom.js";
import { count, percent, seconds, time } from "./format.js";

const FEW = 20;

export class Models {
  constructor(stream) {
    this.stream = stream;
    this.policy = [];
    this.showsAll = false;
    this.made = new Map(); // rows by model, each with what it was made of: a thousand are not made anew each second
    byId("more-models").addEventListener("click", () => { this.showsAll = true; this.draw(); });
  }

  draw() {
    const known = new Map(this.policy.map((model) => [model.name, model]));
    const names = [...new Set([...known.keys(), ...this.stream.models.keys()])];
    const attempts = (name) => this.stream.models.get(name)?.attempts ?? 0;
    names.sort((one, other) => attempts(other) - attempts(one));
    const shown = this.showsAll ? names : names.slice(0, FEW);
    const body = byId("model-rows").tBodies[0];
    const nodes = shown.map((name) => this.row(name, known.get(name), this.stream.models.get(name)));
    if (nodes.length !== body.rows.length || nodes.some((node, index) => node !== body.rows[index])) body.replaceChildren(...nodes);
    byId("more-models").hidden = shown.length === names.length;
    byId("more-models").textContent = `Show all ${count(names.length)}`;
  }

  row(name, model, seen) {
    const made = this.made.get(name);
    if (made && made.model === model && made.seen === seen) return made.node;
    const node = row(name, model, seen);
    this.made.set(name, { model, seen, node });
    return node;
  }
}

const row = (name, model, seen) => el("tr", {},
  el("th", { scope: "row", class: "name" }, name || "not told", el("span", { class: "sub" }, model ? `${model.provider} · $${model.input} in, $${model.output} out a million` : "not in the policy")),
  el("td", {}, el("span", { class: `health health-${seen?.health ?? "idle"}` }, seen?.health ?? "no traffic")),
  el("td", {}, model ? el("span", { class: `tier tier-${model.tier}` }, model.tier) : "–"),
  el("td", { class: "number" }, count(seen?.attempts ?? 0)),
  el("td", { class: "number" }, seen ? percent(seen.success) : "–"),
  el("td", { class: "number" }, count(seen?.failovers ?? 0)),
  el("td", { class: "number" }, seconds(seen?.p50)),
  el("td", { class: "number" }, seconds(seen?.p95)),
  el("td", { class: "error" }, seen?.last_error ? [seen.last_error.replaceAll("_", " "), el("span", { class: "sub" }, `at ${time(seen.last_error_time)}`)] : "–"));
