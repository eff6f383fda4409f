"""Rules and the dashboard ask only for metrics and labels that there are."""

import re
from collections.abc import Mapping

import pytest

from tests.observability.expressions import (
    RULES_TEST,
    Expression,
    dashboard,
    dashboard_expressions,
    known_metrics,
    rule_expressions,
    rules,
)

EXPRESSIONS = [*rule_expressions(), *dashboard_expressions()]

ALERTS = [rule for rule in rules() if "alert" in rule]


@pytest.fixture(scope="module")
def known() -> Mapping[str, frozenset[str]]:
    return known_metrics()


def labels_in(expression: Expression, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*(known[name] for name, _ in expression.selectors))


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda expression: expression.place)
def test_an_expression_has_only_names_that_there_are(
    expression: Expression, known: Mapping[str, frozenset[str]]
) -> None:
    for name, matched in expression.selectors:
        assert name in known
        assert matched <= known[name], f"{name} has no such label"
    assert expression.grouped_by <= labels_in(expression, known)
    legend = frozenset(re.findall(r"{{(\w+)}}", expression.legend))
    assert legend <= (expression.grouped_by or labels_in(expression, known))


def test_selectors_are_found() -> None:
    text = (
        'sum by (a, b) (rate(m_total{x="y{}", z=~"$v"}[5m])) / on () group_left () r:s:t offset 1w and vector(1) > 2'
    )

    expression = Expression("here", text)

    assert expression.selectors == [("m_total", {"x", "z"}), ("r:s:t", frozenset())]
    assert expression.grouped_by == {"a", "b"}


def test_a_metric_that_is_none_is_found_out(known: Mapping[str, frozenset[str]]) -> None:
    (name, labels), *_ = Expression("here", 'rate(llm_router_decisions{why="x"}[5m])').selectors

    assert name not in known and not labels <= known["llm_router_decisions_total"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_do(alert: dict[str, dict[str, str]], known: Mapping[str, frozenset[str]]) -> None:
    expression = Expression("", str(alert["expr"]))
    annotations = alert["annotations"]
    asked = set(re.findall(r"\$labels\.(\w+)", "".join(annotations.values())))

    assert alert["labels"]["severity"] in ("critical", "warning")
    assert annotations["summary"] and len(annotations["description"]) > 100
    assert asked <= (expression.grouped_by or labels_in(expression, known))
    named = re.findall(r"\b(?:llm_router|gen_ai)_\w+", annotations["description"])
    assert set(named) <= set(known)


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = RULES_TEST.read_text()

    assert [alert["alert"] for alert in ALERTS if f"labels: '{{alertname=\"{alert['alert']}\"}}'" not in cases] == []


def test_what_is_recorded_is_used() -> None:
    used = {name for expression in EXPRESSIONS for name, _ in expression.selectors}

    assert [rule["record"] for rule in rules() if "record" in rule and rule["record"] not in used] == []


def test_panels_have_room_and_a_description() -> None:
    panels = dashboard()["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(column, line) for column in columns for line in lines}
        assert not cells & taken and max(columns) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_panel_asks_the_data_source_that_was_chosen() -> None:
    whole = dashboard()
    queried = [panel for panel in whole["panels"] if panel["type"] != "row"]
    sources = [panel["datasource"] for panel in queried]
    sources += [target["datasource"] for panel in queried for target in panel["targets"]]
    sources += [variable["datasource"] for variable in whole["templating"]["list"] if variable["type"] == "query"]

    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def test_every_metric_is_on_the_dashboard_or_in_a_rule(known: Mapping[str, frozenset[str]]) -> None:
    """Else it would hardly be worth its series."""
    used = {
        re.sub("_(bucket|sum|count)$", "", name) for expression in EXPRESSIONS for name, _ in expression.selectors
    }

    assert {re.sub("_(bucket|sum|count)$", "", name) for name in known if ":" not in name} - used == set()
