"""What to try while the demo runs: commands to copy."""

import json
import shlex

from sidecar.demo.options import DemoOptions
from sidecar.demo.screen import Screen

GREETING = "hi there, thanks a lot!"
PROOF = (
    "Prove that there are infinitely many primes congruent to 3 modulo 4, "
    "then say where the argument breaks for 1 modulo 4."
)


def chat_request(prompt: str, *, is_stream: bool = False) -> dict[str, object]:
    """The body of a chat completion for the virtual model."""
    body: dict[str, object] = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    return body | {"stream": True} if is_stream else body


def print_guide(screen: Screen, options: DemoOptions, sidecar_pid: int) -> None:
    """All commands, each with what it shows."""
    faults = f"http://127.0.0.1:{options.control_port}/faults"
    greeting = _curl(options, "-si", chat_request(GREETING))
    after_fault = "retries stay on the same model" if options.basic else "the next model of the plan answers"
    screen.plain()
    screen.advice("small talk: the cheapest model answers (see x-llm-model, x-llm-tier, x-llm-reason)", greeting)
    screen.advice("a proof: the reasoning model answers", _curl(options, "-si", chat_request(PROOF)))
    screen.advice("the same as a stream", _curl(options, "-sN", chat_request(PROOF, is_stream=True)))
    screen.advice(
        "watch it in a browser: each decision with its story, what it cost, and a prompt box that explains",
        f"http://127.0.0.1:{options.http_port}/",
    )
    screen.advice(
        f"break a provider, and send the small talk again: {after_fault}",
        f"curl -s {faults} -d {_quoted({'provider': 'google', 'fault': '503'})}",
    )
    screen.advice("mend it", f"curl -s -X DELETE {faults}")
    screen.advice(
        "in a second terminal: requests without end, while you …",
        f"while sleep 0.3; do {greeting} | grep -iE '^(HTTP|x-llm-model)'; done",
    )
    screen.advice("… kill the sidecar: Envoy goes on with its default plan", f"kill -9 {sidecar_pid}")


def _curl(options: DemoOptions, flags: str, body: dict[str, object]) -> str:
    url = f"http://127.0.0.1:{options.envoy_port}/v1/chat/completions"
    return f"curl {flags} {url} -H 'content-type: application/json' -d {_quoted(body)}"


def _quoted(body: dict[str, object]) -> str:
    return shlex.quote(json.dumps(body, separators=(",", ":")))
