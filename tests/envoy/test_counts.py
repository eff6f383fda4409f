"""What the sidecar decided is counted by reason, and a late classifier is one of the reasons."""

from pathlib import Path

from sidecar.envoyconfig.shipped import shipped_file
from tests.envoy.gateway import Gateway
from tests.fakes.serving import eventually, get


def count(gateway: Gateway, **labels: str) -> float:
    _, text = get(f"http://127.0.0.1:{gateway.http_port}/metrics")
    wanted = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    lines = [line for line in text.splitlines() if line.startswith(f"llm_router_decisions_total{{{wanted}}}")]
    return float(lines[0].split()[-1]) if lines else 0.0


def test_decisions_and_rejections_are_counted_by_reason(gateway: Gateway) -> None:
    before = count(gateway, api="openai", reason="pinned", tier="reasoning")
    gateway.ask(model="o3-mini")
    eventually(lambda: count(gateway, api="openai", reason="pinned", tier="reasoning"), before + 1)
    gateway.ask(model="gpt-9", path="/v1/messages")
    eventually(lambda: count(gateway, api="anthropic", reason="unknown_model", tier=""), 1)


def test_a_classifier_that_misses_its_deadline_costs_no_request(tmp_path: Path) -> None:
    shipped = shipped_file("examples", "router.yaml").read_text()
    policy = tmp_path / "router.yaml"
    policy.write_text(f"{shipped}\nclassifier: {{deadline_ms: 1}}\ncache: {{entries: 0}}\n")
    with Gateway(policy=policy) as gateway:
        answer = gateway.ask("word " * 400)
        assert (answer.status_code, answer.headers["x-llm-model"]) == (200, "gpt-4o")
        assert answer.headers["x-llm-reason"] == "classifier_timeout"
        eventually(lambda: count(gateway, api="openai", reason="classifier_timeout", tier="complex") >= 1, True)
