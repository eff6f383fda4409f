"""The kinds of finding in a policy file: why there is such a rule, and how it is usually kept."""

from collections.abc import Mapping
from typing import NamedTuple

from sidecar.config.finding import Severity


class Kind(NamedTuple):
    """Of findings."""

    reason: str
    fix: str
    """Where the finding itself has no better one."""
    severity: Severity = Severity.ERROR


_NO_POLICY = "Without a policy there is nothing to decide by."
_NOT_READ = "A key that nothing reads would silently not hold."
_IN_HEADERS = "Names and ids travel in headers, in Envoy's configuration and in logs."
_NEVER = "What does not exist never comes."
_SILENT = "Whatever refers to it would silently do nothing."

KINDS: Mapping[str, Kind] = {
    # the file
    "file-unreadable": Kind(_NO_POLICY, "check the path and who may read it; the file is text in UTF-8"),
    "file-too-large": Kind("Reading it would hold up the start, and every reload.", "make it smaller"),
    "file-empty": Kind(_NO_POLICY, "start from examples/minimal.yaml"),
    "too-many-values": Kind(
        "Ten lines of aliases of aliases can stand for more values than fit into memory.", "write fewer aliases"
    ),
    "nested-too-deeply": Kind("No policy needs such depth, and reading it takes memory without end.", "nest less"),
    "not-yaml": Kind("What a parser has to guess is not what was meant.", "quote what has : # { } [ ] ? or * in it"),
    "key-not-text": Kind("Every key of a policy is a word.", "write a word"),
    "key-given-twice": Kind("One of the two would silently not hold.", "remove one of them, or make them one"),
    # its form
    "unknown-key": Kind(_NOT_READ, "remove it"),
    "key-moved": Kind(_NOT_READ, "move it there"),
    "key-missing": Kind("There is no default that would be right for everyone.", "add it"),
    "unknown-word": Kind("Only these words mean something.", "write one of them"),
    "wrong-kind": Kind(
        "A value of another kind would have to be guessed at: YAML reads yes as true, and 1e3 as text.",
        "write what was expected",
    ),
    "too-few": Kind("With fewer it would say nothing.", "add some, or remove the key"),
    "mapping-empty": Kind("With nothing in it, it would say nothing.", "add some, or remove the key"),
    "control-characters": Kind(f"{_IN_HEADERS} A line break in one would forge another.", "remove them"),
    "bad-name": Kind(_IN_HEADERS, "write - for a space"),
    "bad-header": Kind("No request could have such a header.", "write the header's name alone, like x-tenant-id"),
    "bad-url": Kind("Envoy is told to connect to it.", "write scheme, host and the path before /chat/completions"),
    "bad-path": Kind("No request could have such a path.", "begin with /"),
    "bad-date": Kind(_NEVER, "write a day like 2027-01-31, a time like 2027-01-31T18:00Z"),
    "bad-time": Kind(_NEVER, "write hours and minutes like 18:00"),
    "bad-zone": Kind("The same clock shows different times in different places.", "write a name like Europe/Berlin"),
    "bad-pattern": Kind(
        "Patterns are matched in linear time, so that no request can hang the server: RE2 does that.",
        "see github.com/google/re2/wiki/Syntax",
    ),
    "endpoint-of-another-api": Kind("A provider takes the requests of one API.", "make it two providers"),
    "keys-exclude-each-other": Kind("Only one of them can hold.", "remove one of them"),
    "key-without-effect": Kind("A key that changes nothing was meant to change something.", "remove it"),
    "min-above-max": Kind("Nothing lies between the two.", "swap them"),
    "shares-not-one": Kind("Every request has to be in exactly one arm.", "make the shares add up to 1"),
    "thresholds-not-rising": Kind(
        "A tier whose threshold is above the next one's would never be reached.", "let them rise"
    ),
    "test-without-request": Kind("A test sends one request.", "write a prompt, or a whole request"),
    # its names
    "unknown-name": Kind(_SILENT, "write a name that there is"),
    "name-given-twice": Kind("Records and requests tell them apart by their names.", "give it another name"),
    "tenant-unknown": Kind(
        "A tenant is told by a request header; without its name no request has a tenant.",
        "name it: `signals: {headers: {tenant: x-tenant-id}}`",
    ),
    # its meaning
    "fallback-unused": Kind("Whoever wrote it expects it to answer some day.", "remove it, or put it first"),
    "fallback-missing": Kind(
        "A request has to be answered even if nothing is known of its prompt, in the API it came in.", "add one"
    ),
    "requirement-classifies": Kind(
        "A requirement is for what must never happen; the classifier may be late or wrong.",
        "ask for signals only, or write it as `require` of a rule",
    ),
    "rule-unreachable": Kind(
        "The first rule that matches wins, so this one would silently not hold.",
        "put it first, or make them one",
    ),
    "no-model-left": Kind(
        "Every request that it is for would be refused.",
        "add a model that satisfies it, or name the other endpoints in `when` and reject these requests by a rule",
    ),
    "model-forbidden": Kind("The model is chosen and excluded at once.", "choose another one"),
    "rank-unfounded": Kind("Models can only be compared by what is known of all of them.", "add it to every model"),
    "nothing-to-ask": Kind("Every request would be refused.", "add `auto: {}`"),
    "intent-built-in": Kind(
        "A prompt would have the same intent for two reasons, with two meanings.", "give it a name of its own"
    ),
    "test-elsewhere": Kind("Requests at other paths go past the router.", "write /v1/chat/completions"),
    "intent-unknown": Kind(
        "No server starts with it: the tier would silently hold for nothing.",
        "write one of the classifier's intents, or give examples of it",
    ),
    # hardly meant
    "model-deprecated": Kind(
        "From that day on its requests go to the next model of the plan, which may be a dearer one.",
        "add its successor, and remove it",
        Severity.WARNING,
    ),
    "model-never-first": Kind(
        "Whoever lists a model expects it to answer some day.",
        "put it first, or choose it by a rule",
        Severity.WARNING,
    ),
    "fallback-weak": Kind(
        "It answers whenever the classifier does not, also what a weak model cannot.",
        "take a stronger model",
        Severity.WARNING,
    ),
    "fallback-forbidden": Kind(
        "While the sidecar is down Envoy goes on without it, to the fallback, required or not.",
        "take a fallback that satisfies every requirement, or let Envoy refuse requests then",
        Severity.WARNING,
    ),
    "keyword-repeated": Kind(
        "A prompt with it is in both lists, and the order of the rules alone says which one counts.",
        "remove it from one of them",
        Severity.WARNING,
    ),
    "header-secret": Kind(
        "Whoever reads the records could use it.",
        "take a header that Envoy sets from it, such as a claim of the token",
        Severity.WARNING,
    ),
    "requirement-on-last-turn": Kind(
        "Each turn goes to the provider with all those before it, and with what tools returned.",
        "let the list be looked for everywhere: `{any: […], in: request}`",
        Severity.WARNING,
    ),
    "requirement-in-rule": Kind(
        "The first rule that matches wins, so a rule before it takes the requirement away.",
        "write it as one of `requirements`, which all hold",
        Severity.WARNING,
    ),
    "region-unknown": Kind(
        "A misspelt region excludes every model that it was meant to allow.",
        "write the region of some model",
        Severity.WARNING,
    ),
    "plan-may-be-empty": Kind(
        "Its requests would be refused, or get what the rule does not say.",
        "add one, or name the endpoints that it is for: `when: {endpoint: …}`",
        Severity.WARNING,
    ),
    "model-folder-missing": Kind("Where it is missing, no server starts.", "check the path", Severity.WARNING),
    "model-folder-unreadable": Kind(
        "Where it is like this, no server starts; here it hides whether the policy's intents are the model's.",
        "export it again, or check the path",
        Severity.WARNING,
    ),
    "untested": Kind(
        "A rule that is in the way of another one shows only when somebody asks.",
        "add `tests: [{prompt: …, expect: {tier: …}}]`; `sidecar test` runs them",
        Severity.WARNING,
    ),
}
