"""A value is wrong for the check exactly if the real Envoy does not start with it."""

import subprocess
from pathlib import Path

import pytest

from sidecar.config.compile import load_config
from sidecar.demo.preflight import find_envoy
from sidecar.envoyconfig.check import check_envoy
from sidecar.envoyconfig.shipped import shipped_file

# Every rule that is about the text alone.
SHAPE = {
    "yaml-syntax",
    "yaml-merge-key",
    "unknown-field",
    "wrong-type",
    "unknown-value",
    "exclusive-fields",
    "unknown-type",
    "missing-type",
}
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

CLUSTER_FIELDS = [
    "connect_timeout: 1s",
    "connect_timeout: 0.25s",
    "connect_timeout: .5s",
    "connect_timeout: 5.s",
    "connect_timeout: 5",
    "connect_timeout: 100ms",
    "connect_timeout: 5m",
    "connect_timeout: -5s",
    "connect_timeout: {seconds: 5}",
    "connect_timeout: {minutes: 5}",
    "connect_timeout: [5s]",
    "connect_timeout: null",
    "connectTimeout: 1s",
    "conect_timeout: 1s",
    "alt_stat_name: b",
    "alt_stat_name: n",
    "alt_stat_name: Yes",
    "alt_stat_name: off",
    'alt_stat_name: "off"',
    "alt_stat_name: 123",
    "alt_stat_name: 0x1F",
    "alt_stat_name: 1.5",
    "alt_stat_name: ~",
    "alt_stat_name: !!str 123",
    "alt_stat_name: [b]",
    "respect_dns_ttl: true",
    "respect_dns_ttl: y",
    'respect_dns_ttl: "true"',
    'respect_dns_ttl: "yes"',
    'respect_dns_ttl: "No"',
    'respect_dns_ttl: "off"',
    "respect_dns_ttl: 1",
    "per_connection_buffer_limit_bytes: 5",
    'per_connection_buffer_limit_bytes: "5"',
    "per_connection_buffer_limit_bytes: 5.0",
    "per_connection_buffer_limit_bytes: 1e3",
    "per_connection_buffer_limit_bytes: 0x10",
    "per_connection_buffer_limit_bytes: 010",
    "per_connection_buffer_limit_bytes: 1.5",
    "per_connection_buffer_limit_bytes: -1",
    "per_connection_buffer_limit_bytes: 5000000000",
    "per_connection_buffer_limit_bytes: 1_000",
    "per_connection_buffer_limit_bytes: inf",
    'per_connection_buffer_limit_bytes: "NaN"',
    "per_connection_buffer_limit_bytes: 16MiB",
    "per_connection_buffer_limit_bytes: {value: 5}",
    "lb_policy: RANDOM",
    "lb_policy: random",
    "lb_policy: 3",
    "lb_policy: RANDUM",
    "common_lb_config: {healthy_panic_threshold: {value: 0}}",
    "common_lb_config: {healthy_panic_threshold: 0}",
    "health_checks: {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}",
    "type: STATIC, cluster_type: {name: envoy.cluster.static}",
    "<<: {connect_timeout: 1s}",
    "!ignore comment: {about: this}",
    "metadata: {filter_metadata: {a: {b: [1, yes, {c: d}]}}}",
    f'transport_socket: {{name: tls, typed_config: {{"@type": {TLS}, sni: a}}}}',
    f'transport_socket: {{name: tls, typed_config: {{"@type": {TLS}, snii: a}}}}',
    f'transport_socket: {{name: tls, typed_config: {{"@type": {TLS}x, sni: a}}}}',
    "transport_socket: {name: tls, typed_config: {sni: a}}",
]


@pytest.mark.parametrize("fields", CLUSTER_FIELDS)
def test_the_check_takes_what_envoy_takes(fields: str, tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(f"static_resources: {{clusters: [{{name: a, {fields}}}]}}\n")

    command = [str(find_envoy()), "--mode", "validate", "--log-level", "off", "-c", str(file)]
    takes = subprocess.run(command, capture_output=True, check=False).returncode == 0

    findings = check_envoy(load_config(shipped_file("examples", "router.yaml")), file)
    assert SHAPE.isdisjoint(it.id for it in findings) == takes


def test_a_value_is_given_as_envoy_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    fields = [
        "connect_timeout: 100ms",
        "per_connection_buffer_limit_bytes: 16MiB",
        "alt_stat_name: on",
        "lb_policy: R",
    ]
    file.write_text(f"static_resources: {{clusters: [{{name: a, {', '.join(fields)}}}]}}\n")

    findings = check_envoy(load_config(shipped_file("examples", "router.yaml")), file)

    words = (
        "one of ROUND_ROBIN, LEAST_REQUEST, RING_HASH, RANDOM, MAGLEV, CLUSTER_PROVIDED, LOAD_BALANCING_POLICY_CONFIG"
    )
    fixes = [it.fix for it in findings if it.id in SHAPE]
    assert fixes == ["0.1s", "16777216", 'quote it: "on"', words]
