"""Every PromQL expression that ships, and the names in it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.fakes.metrics import busy_metrics, families

FOLDER = Path(__file__).parents[2] / "observability"
RULES = FOLDER / "prometheus" / "rules.yaml"
RULES_TEST = FOLDER / "prometheus" / "rules_test.yaml"
DASHBOARD = FOLDER / "grafana" / "dashboard.json"

ENVOY: Mapping[str, frozenset[str]] = {
    "envoy_http_ext_proc_sidecar_failure_mode_allowed": frozenset(("envoy_http_conn_manager_prefix",)),
    "envoy_http_ext_proc_sidecar_message_timeouts": frozenset(("envoy_http_conn_manager_prefix",)),
    "envoy_access_logs_grpc_access_log_logs_dropped": frozenset(),
    "envoy_cluster_upstream_cx_connect_fail": frozenset(("envoy_cluster_name",)),
    "envoy_cluster_membership_healthy": frozenset(("envoy_cluster_name",)),
}
"""What is used of Envoy's own metrics, and their labels."""

_OF_SCRAPES = frozenset(("instance", "job"))

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|on|group_left|without|ignoring)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_SELECTOR = re.compile(r"(?<![\w:$])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(?!\s*\(|[\w:])")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset(("and", "or", "unless", "bool", "inf", "nan"))


@dataclass(frozen=True, slots=True)
class Expression:
    """One, and where it stands."""

    place: str
    text: str
    legend: str = ""

    @property
    def selectors(self) -> list[tuple[str, frozenset[str]]]:
        """Each metric in it, with the labels that are matched."""
        bare = _RANGE.sub("", _GROUPING.sub("", _STRING.sub('""', self.text)))
        found = [(name, frozenset(_LABEL.findall(labels or ""))) for name, labels in _SELECTOR.findall(bare)]
        return [(name, labels) for name, labels in found if name.lower() not in _WORDS]

    @property
    def grouped_by(self) -> frozenset[str]:
        """All labels that it groups or joins by."""
        lists = _GROUPING.findall(self.text)
        return frozenset(label.strip() for each in lists for label in each.split(",")) - {""}


def rules() -> list[dict[str, Any]]:
    """Of all groups."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def rule_expressions() -> Iterator[Expression]:
    for rule in rules():
        yield Expression(rule.get("alert") or rule["record"], rule["expr"])


def dashboard_expressions() -> Iterator[Expression]:
    """Variables and annotations as well."""
    whole = dashboard()
    for panel in whole["panels"]:
        for target in panel.get("targets", ()):
            yield Expression(f"panel {panel['title']}", target["expr"], target["legendFormat"])
    for annotation in whole["annotations"]["list"]:
        yield Expression(f"annotation {annotation['name']}", annotation["expr"], annotation["titleFormat"])


def known_metrics() -> dict[str, frozenset[str]]:
    """All that there may be in expressions, with the labels that it has: ours as they are exported, what rules record
    of them, and Envoy's.
    """
    known = dict(ENVOY)
    for family in families(busy_metrics().render().decode()):
        known[family.name] = family.labels
        if family.kind == "histogram":
            known |= {f"{family.name}_{end}": family.labels for end in ("sum", "count")}
            known[f"{family.name}_bucket"] = family.labels | {"le"}
    for rule in rules():
        if "record" in rule:
            grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
            known[rule["record"]] = frozenset(label.strip() for each in grouped for label in each.split(","))
    return {name: labels | _OF_SCRAPES for name, labels in known.items()}
