// One request told in sentences and small tables: from a decision record, and what came of it.

import { el, table } from "./dom.js";
import { count, list, moment, percent, plural, seconds, spaced, usd } from "./format.js";

const MOVES = {
  intent: "the policy gives its intent at least this tier",
  difficulty: "its difficulty calls for this tier",
  low_confidence: "the classifier was unsure, so the tier above was taken",
  example: "it is close to an example that the policy gives",
  conversation: "an earlier turn of the conversation needed it",
  rule: "a rule or the virtual model says so",
  caller: "the caller asked for it",
  pinned: "the request names a model of this tier",
};

const WHY = {
  ...MOVES,
  no_prompt: "there was no text to classify, so the fallback comes first",
  classifier_timeout: "the classifier missed its deadline, so the fallback comes first",
  classifier_overloaded: "more prompts waited than could be classified in time, so the fallback comes first",
  classifier_failed: "the classifier failed, so the fallback comes first",
  invalid_request: "the body is not a request of its API",
  unknown_model: "the policy has no such model for this API",
  rejected_by_rule: "a rule rejects it",
  no_candidate: "no model of the policy can take it",
};

const RESULTS = {
  success: "The client got a whole answer",
  client_error: "The request itself was refused",
  rejected: "The policy rejected it; no provider was asked",
  cancelled: "The client went away before the end",
  failed: "No model gave a whole answer",
  unknown: "Nothing was heard of its outcome",
};

const NOT_READ = {
  rule: "The prompt was not classified: the rule settles it.",
  pinned: "The prompt was not classified: the request names a model.",
  caller: "The prompt was not classified: the caller asked for a tier.",
  no_prompt: "There was no text to classify.",
  classifier_timeout: "The classifier missed its deadline.",
  classifier_overloaded: "The classifier had more prompts than it could read in time.",
  classifier_failed: "The classifier failed.",
};

const strong = (text) => el("strong", {}, text);
const code = (text) => el("code", {}, text);
const part = (title, ...content) => el("section", {}, el("h3", {}, title), content);
const say = (...content) => el("p", {}, content);
const number = (text) => ({ number: text });

/** What was decided and on what grounds. `found` may have the attempts and the model that answered. */
export const tellDecision = (record, found = {}) => [
  part("Request", ...tellSignals(record.signals)),
  part("Rules", ...tellRules(record)),
  part("Classification", ...tellReadings(record, found)),
  (record.moves ?? []).length > 0 && part("Tier", ...tellTier(record)),
  part(record.plan?.length ? "Plan" : "No plan", ...tellPlan(record, found)),
];

const tellSignals = (signals) => {
  if (!signals) return [say("The body could not be read.")];
  const limit = signals.max_output_tokens ? `up to ${count(signals.max_output_tokens)} tokens of answer` : "no limit for the answer";
  const rows = [
    ["path", signals.path],
    ["language", `${signals.language}, script ${signals.script}`],
    ["turns", count(signals.turns)],
    signals.tools > 0 && ["tools", count(signals.tools)],
    signals.images > 0 && ["images", count(signals.images)],
    signals.code_fences > 0 && ["code fences", count(signals.code_fences)],
    signals.json && ["answer", "JSON"],
    signals.stream && ["stream", "yes"],
    signals.keywords?.length && ["keywords", list(signals.keywords)],
    signals.patterns?.length && ["patterns", list(signals.patterns)],
    signals.parameters?.length && ["parameters", list(signals.parameters)],
    signals.personal_data === null && ["personal data", "not searched: the request is too large"],
    ...Object.entries(signals.personal_data ?? {}).map(([kind, found]) => [`personal data: ${spaced(kind)}`, count(found)]),
    ...Object.entries(signals.headers ?? {}).map(([name, value]) => [`header: ${name}`, value]),
    signals.tier && ["caller's tier", signals.tier],
    signals.max_cost !== null && signals.max_cost !== undefined && ["caller's limit", usd(signals.max_cost)],
  ].filter(Boolean);
  return [
    say("It asked for ", strong(signals.model), " at ", code(`/v1/${signals.endpoint}`), ` with about ${plural(signals.input_tokens, "token")} and ${limit}.`),
    table("Signals", [], rows),
  ];
};

const tellRules = (record) => {
  if (!record.signals) return [say("No rule was tried.")];
  const said = [record.rule ? say("The rule ", strong(record.rule), " matched", record.arm && [", arm ", strong(record.arm)], ".") : say("No rule matched.")];
  if (record.requirements?.length) said.push(say("Required of every model: ", strong(list(record.requirements)), "."));
  return said;
};

const tellReadings = (record, found) => {
  const readings = record.readings ?? [];
  if (!readings.length) return [say(NOT_READ[record.reason] ?? "The prompt was not classified."), found.error && record.plan?.length > 0 && say(found.error)];
  const last = readings.at(-1);
  const said = [say("The last turn is ", strong(spaced(last.example ? last.example[0] : last.intent)), ` (confidence ${percent(last.confidence)})`,
    last.difficulty === null ? "" : [", difficulty ", strong(last.difficulty.toFixed(2))], ".", found.cached && " That was remembered from before.")];
  if (last.example) said.push(say(`It is close to an example of ${last.example[0]}: similarity ${last.example[1].toFixed(2)}.`));
  if (last.truncated) said.push(say("It was cut to its beginning and end before it was read."));
  if (record.unread) said.push(say(`${plural(record.unread, "earlier turn")} had to stay unread.`));
  said.push(table("Readings", ["Turn", "Intent", "Difficulty", "Likeliest"], readings.map((reading, index) => [
    index === readings.length - 1 ? "last" : `${readings.length - 1 - index} before`,
    spaced(reading.intent),
    number(reading.difficulty === null ? "–" : reading.difficulty.toFixed(2)),
    list(reading.likeliest.map(([intent, probability]) => `${spaced(intent)}\u00a0${probability.toFixed(2)}`)),
  ])));
  said.push(el("p", { class: "hint" }, `Read by classifier ${record.classifier}.`));
  return said;
};

const tellTier = (record) => [el("ol", { class: "moves" }, record.moves.map(([reason, tier]) =>
  el("li", {}, el("span", { class: `tier tier-${tier}` }, tier), ` ${WHY[reason] ?? spaced(reason)}`)))];

// What a client got some of an answer in.
const ANSWERED = new Set(["success", "cancelled"]);

const tellPlan = (record, { model, attempts, result }) => {
  const excluded = Object.entries(record.excluded ?? {});
  const said = [];
  if (record.plan?.length) {
    const asked = new Set((attempts ?? []).map((attempt) => attempt.model));
    said.push(say("Settled by ", strong(spaced(record.reason)), `: ${WHY[record.reason] ?? ""}.`));
    said.push(table("Plan", ["Place", "Model", "Estimated cost", ...(attempts ? ["Became"] : [])], record.plan.map((planned, index) => [
      String(index + 1), planned.model, number(usd(planned.cost)),
      ...(attempts ? [planned.model === model && ANSWERED.has(result) ? "answered" : asked.has(planned.model) ? "failed" : "not needed"] : []),
    ])));
  } else said.push(say("Rejected with status ", strong(String(record.status)), `: ${WHY[record.reason] ?? spaced(record.reason)}.`));
  if (excluded.length) said.push(say("Left out, each for its reason:"), table("Left out", ["Model", "Why"], excluded.map(([name, why]) => [name, why])));
  return said;
};

/** The whole request: outcome first, then its grounds. */
export const tellRequest = (request, traceUrl) => {
  const record = request.record;
  return [
    el("p", { class: "lead" }, tellHeadline(request)),
    request.bypassed && say("The router was passed by: Envoy went on with its default plan, so there is no decision to tell of."),
    !request.bypassed && !record && say("Its decision record was too large to be kept here; the record log has it."),
    record && !record.plan?.length && request.error && el("blockquote", {}, request.error),
    part("Outcome", ...tellOutcome(request)),
    part("Cost", ...tellCost(request)),
    record && tellDecision(record, request),
    request.shadows.length > 0 && part("Shadow policies", say("Tried beside it, without effect."), table("Shadow policies", ["Policy", "First model", "Agrees"],
      request.shadows.map((shadow) => [shadow.policy, shadow.model ?? "would reject", shadow.agrees ? "yes" : "no"]))),
    part("Time spent", ...tellTimes(request)),
    part("Names", ...tellNames(request, traceUrl)),
  ];
};

const tellHeadline = (request) => {
  const who = request.tenant ? [strong(request.tenant), " asked for "] : ["Somebody asked for "];
  const what = request.requested_model ? strong(request.requested_model) : "a model";
  const by = request.model && request.result === "success" ? [" and got an answer from ", strong(request.model)] : "";
  const why = request.bypassed || !request.reason ? "" : [", by ", strong(spaced(request.reason))];
  return [who, what, by, why, ". ", `${RESULTS[request.result] ?? spaced(request.result)}.`];
};

const tellOutcome = (request) => {
  const attempts = request.attempts;
  const said = [];
  if (request.result === "unknown") said.push(say("Envoy's log told nothing of it."));
  else {
    const status = request.status ? ["status ", strong(String(request.status))] : "no status";
    const first = request.first_byte_seconds === null ? "" : `, its first byte after ${seconds(request.first_byte_seconds)}`;
    const after = request.attempt_count ? ` after ${plural(request.attempt_count, "attempt")}` : "";
    said.push(say("It ended with ", status, `${after} and ${seconds(request.seconds)}${first}.`));
  }
  if (request.flags.length) said.push(say("Envoy says: ", strong(list(request.flags.map(spaced))), request.details && [" (", code(request.details), ")"], "."));
  if (attempts.length) said.push(table("Attempts", ["Attempt", "Model", "Status", "Took", "Tokens in", "out", "Cost"], attempts.map((attempt, index) => [
    String(index + 1), attempt.model ?? "?", [attempt.status ? String(attempt.status) : "none", attempt.error && el("span", { class: "sub" }, spaced(attempt.error))],
    number(seconds(attempt.seconds)), number(attempt.input_tokens === null ? "–" : count(attempt.input_tokens)),
    number(attempt.output_tokens === null ? "–" : count(attempt.output_tokens)), number(usd(attempt.cost)),
  ])));
  return said;
};

const tellCost = (request) => {
  const said = [];
  if (request.cost === null) said.push(say("What it cost is not known."));
  else if (request.saving === null) said.push(say("It cost ", strong(usd(request.cost)), "."));
  else {
    const share = request.baseline_cost ? ` (${percent(Math.abs(request.saving) / request.baseline_cost)})` : "";
    const compared = request.saving === 0 ? "as much as the fallback would have" : `the fallback's answer would have cost ${usd(request.baseline_cost)}`;
    const saved = request.saving === 0 ? "" : [": ", strong(`${usd(Math.abs(request.saving))}${share}`), request.saving > 0 ? " saved" : " more"];
    said.push(say("It cost ", strong(usd(request.cost)), ", ", compared, saved, "."));
  }
  if (request.input_tokens !== null) {
    said.push(table("Tokens", ["Tokens", "Amount"], [
      ["input", number(count(request.input_tokens))],
      request.cached_tokens > 0 && ["of which cached", number(count(request.cached_tokens))],
      request.cache_write_tokens > 0 && ["of which put into the cache", number(count(request.cache_write_tokens))],
      ["output", number(count(request.output_tokens))],
      request.reasoning_tokens > 0 && ["of which reasoning", number(count(request.reasoning_tokens))],
    ].filter(Boolean)));
    if (request.estimated) said.push(el("p", { class: "hint" }, "Estimated by size: the provider told no tokens."));
  }
  return said;
};

const tellTimes = (request) => [table("Time spent", ["Step", "Took"], [
  ["reading the request", number(seconds(request.parse_seconds))],
  ["classifying", number(seconds(request.classify_seconds))],
  ["deciding", number(seconds(request.decide_seconds))],
  ["to the first byte of the answer", number(seconds(request.first_byte_seconds))],
  ["altogether", number(seconds(request.seconds))],
])];

const tellNames = (request, traceUrl) => {
  const link = traceLink(request.trace_id, traceUrl);
  return [table("Names", [], [
    ["began", moment(request.time)],
    ["decision", code(request.decision_id ?? "none")],
    ["trace", link ? el("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, request.trace_id) : code(request.trace_id || "not traced")],
    ["request", code(request.request_id || "–")],
    ["policy", code(request.policy || "–")],
    ["classifier", code(request.classifier || "–")],
  ])];
};

/** Null unless there is a trace and it is a web page that shows it. */
const traceLink = (trace, template) => {
  if (!trace || !template) return null;
  const link = template.replaceAll("{trace_id}", encodeURIComponent(trace));
  return /^https?:\/\//i.test(link) ? link : null;
};
