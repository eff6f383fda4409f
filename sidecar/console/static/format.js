// Numbers and times as people read them.

export const TIERS = ["simple", "moderate", "complex", "reasoning"];

const whole = new Intl.NumberFormat("en-US");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minuteClock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (value) => whole.format(value);
export const time = (text) => clock.format(new Date(text));
export const minute = (value) => minuteClock.format(new Date(value * 60_000));
export const moment = (text) => day.format(new Date(text));
export const percent = (share) => `${(share * 100).toFixed((share > 0 && share < 0.01) || (share > 0.99 && share < 1) ? 1 : 0)}\u00a0%`;

/** USD; two digits that count, however small. */
export const usd = (value) => {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size === 0 ? 2 : Math.max(2, Math.min(8, 1 - Math.floor(Math.log10(size))));
  return `${value < 0 ? "−" : ""}$${size.toLocaleString("en-US", { minimumFractionDigits: size >= 1 ? 2 : digits, maximumFractionDigits: size >= 1 ? 2 : digits })}`;
};

export const seconds = (value) => {
  if (value === null || value === undefined) return "–";
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 0.01) return `${(value * 1e3).toFixed(1)} ms`;
  return value < 1 ? `${Math.round(value * 1e3)} ms` : `${value.toFixed(value < 10 ? 2 : 1)} s`;
};

export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
export const list = (words) => words.join(", ");
export const spaced = (word) => (word ?? "").replaceAll("_", " ");
