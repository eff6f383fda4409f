"""Prometheus' own tool reads what ships for it; it comes with the package `prometheus`."""

import json
import re
import subprocess
from pathlib import Path

from tests.observability.expressions import FOLDER, dashboard_expressions

PROMETHEUS = FOLDER / "prometheus"

# What Grafana puts in their places.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h"}


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True, cwd=PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def filled_in(text: str) -> str:
    for variable, value in VARIABLES.items():
        text = text.replace(variable, value)
    return re.sub(r"\$\w+", ".*", text)


def test_the_scrape_configuration_and_its_rules_are_valid() -> None:
    assert "rules found" in promtool("check", "config", "prometheus.yaml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yaml")


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", "rules_test.yaml")


def test_prometheus_understands_what_the_dashboard_asks(tmp_path: Path) -> None:
    rules = [
        {"record": f"dashboard:{number}", "expr": filled_in(expression.text)}
        for number, expression in enumerate(dashboard_expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    assert f"{len(rules)} rules found" in promtool("check", "rules", file)
