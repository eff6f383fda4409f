// Two small charts over time, as SVG.

import { el, svg } from "./dom.js";
import { count, minute, TIERS, usd } from "./format.js";

const WIDTH = 600, HEIGHT = 168, LEFT = 44, BOTTOM = 20, TOP = 8;
const BARS = 60;

/** Minutes summed up to at most 60 bars that end now. */
export const buckets = (minutes, range, now) => {
  const size = Math.max(1, Math.ceil(range / BARS));
  const amount = Math.ceil(range / size);
  const last = Math.floor(now / 60_000);
  const start = last - amount * size + 1;
  const bars = Array.from({ length: amount }, (_, index) => ({ minute: start + index * size, requests: 0, tiers: [0, 0, 0, 0, 0], cost: 0, baseline: 0 }));
  for (const each of minutes.values()) {
    const bar = bars[Math.floor((each.minute - start) / size)];
    if (!bar) continue;
    bar.requests += each.requests;
    each.tiers.forEach((value, index) => { bar.tiers[index] += value; });
    bar.cost += each.cost;
    bar.baseline += each.baseline;
  }
  return bars;
};

const ceiling = (value) => {
  if (!value) return 1;
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * step).find((top) => top >= value * 0.999);
};

const frame = (label, top, format, bars, ...marks) => {
  const inner = HEIGHT - BOTTOM - TOP;
  const lines = [0, 0.5, 1].map((share) => {
    const y = TOP + inner * (1 - share);
    return [svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y, y2: y }), svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, format(top * share))];
  });
  const step = (WIDTH - LEFT) / bars.length;
  const times = [0, 1 / 3, 2 / 3].map((share) => {
    const index = Math.round(share * bars.length);
    return svg("text", { x: LEFT + index * step, y: HEIGHT - 4 }, minute(bars[index].minute));
  });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, lines, marks, times,
    svg("text", { x: WIDTH, y: HEIGHT - 4, "text-anchor": "end" }, "now"));
};

const place = (bars) => {
  const step = (WIDTH - LEFT) / bars.length;
  const inner = HEIGHT - BOTTOM - TOP;
  return { step, inner, x: (index) => LEFT + index * step, y: (value, top) => TOP + inner * (1 - value / top) };
};

export const shareChart = (bars) => {
  const total = bars.reduce((sum, bar) => sum + bar.requests, 0);
  const top = ceiling(Math.max(...bars.map((bar) => bar.requests)));
  const { step, inner, x } = place(bars);
  const marks = bars.map((bar, index) => {
    let y = TOP + inner;
    const told = [...TIERS, "without tier"].map((tier, place) => bar.tiers[place] && `${tier} ${count(bar.tiers[place])}`).filter(Boolean).join(", ");
    return bar.requests > 0 && svg("g", {}, svg("title", {}, `${minute(bar.minute)}: ${told}`), bar.tiers.map((value, tier) => {
      const height = (inner * value) / top;
      y -= height;
      return value > 0 && svg("rect", { class: `tier-${TIERS[tier] ?? "none"}`, x: x(index) + step * 0.1, width: step * 0.8, y, height });
    }));
  });
  return frame(`${count(total)} requests by tier over time`, top, (value) => (value % 1 ? "" : count(value)), bars, marks);
};

export const costChart = (bars) => {
  const sum = (key) => bars.reduce((total, bar) => total + bar[key], 0);
  const top = ceiling(Math.max(...bars.map((bar) => Math.max(bar.cost, bar.baseline))));
  const { step, inner, x, y } = place(bars);
  const marks = bars.map((bar, index) => bar.requests > 0 && svg("g", {},
    svg("title", {}, `${minute(bar.minute)}: ${usd(bar.cost)}, the fallback ${usd(bar.baseline)}`),
    svg("rect", { class: "hit", x: x(index), width: step, y: TOP, height: inner }),
    svg("rect", { class: "cost", x: x(index) + step * 0.1, width: step * 0.8, y: y(bar.cost, top), height: (inner * bar.cost) / top })));
  const path = bars.map((bar, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(bar.baseline, top).toFixed(1)}h${step.toFixed(1)}`).join("");
  const label = `Cost over time: ${usd(sum("cost"))} spent, ${usd(sum("baseline"))} had the fallback answered`;
  return frame(label, top, (value) => (value ? usd(value) : "$0"), bars, marks, svg("path", { class: "baseline", d: path }));
};

export const legend = (entries) => entries.map(([kind, label]) => el("span", {}, svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" },
  kind === "baseline" ? svg("path", { class: kind, d: "M0 5h10" }) : svg("rect", { class: kind, width: 10, height: 10, rx: 2 })), label));
