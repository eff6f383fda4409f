"""Prometheus, set up as the example shows, gets what rules and the dashboard need."""

from typing import Any

import httpx
import yaml

from sidecar.cli import build_parser
from sidecar.envoyconfig.shipped import shipped_file
from tests.envoy.gateway import Gateway
from tests.fakes.metrics import families
from tests.observability.expressions import ENVOY, FOLDER

CONFIG: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yaml").read_text())
JOBS: dict[str, dict[str, Any]] = {job["job_name"]: job for job in CONFIG["scrape_configs"]}


def target(name: str) -> str:
    ((only,),) = (places["targets"] for places in JOBS[name]["static_configs"])
    return str(only)


def test_it_looks_where_both_tell_unless_told_otherwise() -> None:
    options = build_parser().parse_args(["serve", "--policy", "router.yaml", "--socket", "/run/llm/sidecar.sock"])
    admin = yaml.safe_load(shipped_file("envoy", "envoy.yaml").read_text())["admin"]["address"]["socket_address"]

    assert target("llm-router") == ":".join(map(str, options.http))
    assert target("envoy") == f"{admin['address']}:{admin['port_value']}"


def test_its_filter_leaves_what_is_used_and_not_much_else() -> None:
    job = JOBS["envoy"]
    with Gateway() as gateway:
        url = f"http://127.0.0.1:{gateway.admin_port}{job['metrics_path']}"
        some, everything = httpx.get(url, params=job["params"]).text, httpx.get(url).text

    assert set(ENVOY) <= {family.name.removesuffix("_total") for family in families(some)}
    assert some.count("\n") < everything.count("\n") / 2
