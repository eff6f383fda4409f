// The page: what the stream brings goes to its parts, at most once a frame.

import { buckets, costChart, legend, shareChart } from "./charts.js";
import { Decisions } from "./decisions.js";
import { byId, el } from "./dom.js";
import { Explain } from "./explain.js";
import { count, percent, TIERS, usd } from "./format.js";
import { Models } from "./models.js";
import { Stream } from "./stream.js";

const STATES = { live: "Live", waiting: "Reconnecting", closed: "Disconnected" };
const RETRY_AFTER = 5_000;
const MINUTE = 60_000;

const stream = new Stream(() => schedule(), showState);
let policy = { models: [], hash: "" };
let asked = "";
let isScheduled = false;
const decisions = new Decisions(stream, () => policy.trace_url);
const models = new Models(stream);
const explain = new Explain();

function showState(state) {
  const connection = byId("connection");
  if (connection.dataset.state !== state) {
    connection.dataset.state = state;
    connection.textContent = STATES[state];
  }
  if (state === "closed") setTimeout(() => stream.open(), RETRY_AFTER);
}

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    decisions.take();
    models.draw();
    drawOverview();
    if (stream.policy !== asked) loadPolicy(stream.policy);
  });
}

async function loadPolicy(hash) {
  asked = hash;
  const response = await fetch("/policy").catch(() => null);
  if (!response?.ok) return;
  policy = await response.json();
  byId("policy-hash").textContent = policy.hash;
  byId("logout").hidden = !policy.signed_in;
  models.policy = policy.models;
  models.draw();
  explain.fillChoices(policy);
  if (byId("policy-details").open) showPolicy();
}

async function showPolicy() {
  const response = await fetch("/config");
  const told = await response.json();
  byId("policy-text").textContent = told.policy;
}

function drawOverview() {
  const range = Number(byId("ranges").querySelector(":checked").value);
  const now = Date.now();
  const first = Math.floor(now / MINUTE) - range + 1;
  const sums = { requests: 0, cost: 0, baseline: 0, saving: 0, failed: 0, failedOver: 0 };
  for (const minute of stream.minutes.values())
    if (minute.minute >= first) for (const key of Object.keys(sums)) sums[key] += minute[key];
  const share = (part, whole) => (whole ? percent(part / whole) : "–");
  const tile = (name, value, note, kind) => el("div", { class: `card tile ${kind ?? ""}` }, el("dt", {}, name), el("dd", {}, value, el("span", { class: "sub" }, note)));
  byId("tiles").replaceChildren(
    tile("Requests", count(sums.requests), `${(sums.requests / range).toFixed(1)} a minute`),
    tile("Spent", usd(sums.cost), sums.requests ? `${usd((sums.cost / sums.requests) * 1000)} per thousand` : "–"),
    tile("Fallback alone", usd(sums.baseline), "had it answered all"),
    tile("Saved", usd(sums.saving), `${share(Math.abs(sums.saving), sums.baseline)} ${sums.saving < 0 ? "more" : "less"} than that`, sums.saving < 0 ? "bad" : "good"),
    tile("Failed", count(sums.failed), `${share(sums.failed, sums.requests)} of requests`, sums.failed ? "bad" : ""),
    tile("Failed over", count(sums.failedOver), `${share(sums.failedOver, sums.requests)} of requests`));
  const bars = buckets(stream.minutes, range, now);
  byId("share-chart").replaceChildren(shareChart(bars));
  byId("cost-chart").replaceChildren(costChart(bars));
}

byId("share-legend").replaceChildren(...legend([...TIERS, "none"].map((tier) => [`tier-${tier}`, tier])));
byId("cost-legend").replaceChildren(...legend([["cost", "spent"], ["baseline", "fallback alone"]]));
byId("ranges").addEventListener("change", drawOverview);
byId("policy-details").addEventListener("toggle", (event) => { if (event.target.open) showPolicy(); });
setInterval(() => { if (!document.hidden) drawOverview(); }, MINUTE / 4);
loadPolicy("");
stream.open();
