"""`sidecar certificate` against an API server: what it leaves there, and what it says when it may not."""

import base64
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.injection.api_server import ApiError, ApiServer, ConflictError
from sidecar.injection.certificate import CertificateOptions, ensure_certificate
from sidecar.injection.signing import issue
from tests.fakes.api_server import EVERYTHING, SECRETS, WEBHOOKS, FakeApiServer
from tests.fakes.serving import sidecar_command

NAME = "llm-sidecar-webhook.llm-sidecar-system.svc"
SECRET = f"{SECRETS}/llm-sidecar-webhook-tls"
WEBHOOK = f"{WEBHOOKS}/llm-sidecar-webhook"
NOW = datetime.now(UTC)

OPTIONS = CertificateOptions(
    service="llm-sidecar-webhook",
    namespace="llm-sidecar-system",
    secret="llm-sidecar-webhook-tls",
    webhook="llm-sidecar-webhook",
)


def configuration(**client: Any) -> dict[str, Any]:
    """As it is applied, with two webhooks that call our service."""
    service = {"name": OPTIONS.service, "namespace": OPTIONS.namespace, "path": "/inject", "port": 443}
    webhooks = [
        {"name": name, "clientConfig": {"service": service, **client}, "failurePolicy": "Fail", "timeoutSeconds": 5}
        for name in ("inject.envoy-llm-sidecar.io", "inject-cron-jobs.envoy-llm-sidecar.io")
    ]
    return {"kind": "MutatingWebhookConfiguration", "metadata": {"name": OPTIONS.webhook}, "webhooks": webhooks}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApiServer]:
    """With the webhook's configuration, and no Secret yet."""
    with FakeApiServer(tmp_path) as server:
        server.put(WEBHOOK, configuration())
        yield server


def run(api: FakeApiServer, folder: Path, now: datetime = NOW) -> None:
    """The command, at that time."""
    ensure_certificate(ApiServer.in_cluster(api.environment, folder), OPTIONS, now)


def secret_data(api: FakeApiServer) -> dict[str, bytes]:
    """As the kubelet puts it into a volume."""
    return {key: base64.b64decode(value) for key, value in api.things[SECRET]["data"].items()}


def bundles(api: FakeApiServer) -> list[bytes]:
    """What the API server trusts, of each webhook."""
    return [base64.b64decode(it["clientConfig"]["caBundle"]) for it in api.things[WEBHOOK]["webhooks"]]


def is_trusted(served: dict[str, bytes], bundle: bytes, folder: Path) -> bool:
    """Whether a client that trusts the bundle completes a handshake with who serves that Secret, under its name."""
    for key in ("tls.crt", "tls.key"):
        (folder / key).write_bytes(served[key])
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=_shake_hands, args=(serving, theirs))
        thread.start()
        try:
            client = ssl.create_default_context(cadata=bundle.decode())
            client.wrap_socket(ours, server_hostname=NAME).close()
        except ssl.SSLCertVerificationError:
            return False
        finally:
            ours.close()
            thread.join()
    return True


def _shake_hands(context: ssl.SSLContext, connection: socket.socket) -> None:
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()  # the client says why


def test_a_first_run_makes_a_certificate_that_the_api_server_then_trusts(api: FakeApiServer, tmp_path: Path) -> None:
    run(api, tmp_path)

    secret = api.things[SECRET]
    assert (secret["type"], set(secret["data"])) == ("kubernetes.io/tls", {"tls.crt", "tls.key", "ca.crt"})
    assert [is_trusted(secret_data(api), bundle, tmp_path) for bundle in bundles(api)] == [True, True]


def test_nothing_else_of_the_configuration_is_touched(api: FakeApiServer, tmp_path: Path) -> None:
    run(api, tmp_path)

    for webhook in api.things[WEBHOOK]["webhooks"]:
        del webhook["clientConfig"]["caBundle"]
    assert api.things[WEBHOOK]["webhooks"] == configuration()["webhooks"]


def test_the_ca_is_trusted_before_anything_is_served_by_it(api: FakeApiServer, tmp_path: Path) -> None:
    run(api, tmp_path)

    assert api.writes == [f"patch {WEBHOOK}", f"create {SECRETS}/{OPTIONS.secret}"]


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=7), timedelta(days=334)])
def test_a_further_run_writes_nothing(api: FakeApiServer, tmp_path: Path, later: timedelta) -> None:
    run(api, tmp_path)
    api.writes.clear()

    run(api, tmp_path, NOW + later)

    assert api.writes == []


def test_a_certificate_is_renewed_in_its_last_month_and_the_one_before_stays_trusted(
    api: FakeApiServer, tmp_path: Path
) -> None:
    run(api, tmp_path, NOW - timedelta(days=336))
    before = secret_data(api)

    run(api, tmp_path)

    after = secret_data(api)
    assert after["tls.crt"] != before["tls.crt"] and after["tls.key"] != before["tls.key"]
    # The kubelet has not brought the new one everywhere yet.
    for served in (before, after):
        assert [is_trusted(served, bundle, tmp_path) for bundle in bundles(api)] == [True, True]


def test_ten_years_of_renewals_leave_a_short_bundle(api: FakeApiServer, tmp_path: Path) -> None:
    for week in range(520, -1, -4):
        run(api, tmp_path, NOW - timedelta(weeks=week))

    assert all(bundle.count(b"BEGIN CERTIFICATE") == 8 for bundle in bundles(api))
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def test_what_only_the_bundle_lost_is_put_back(api: FakeApiServer, tmp_path: Path) -> None:
    """As by whoever applies the configuration anew."""
    run(api, tmp_path)
    api.put(WEBHOOK, configuration(caBundle="Cg=="))
    api.writes.clear()

    run(api, tmp_path)

    assert api.writes == [f"patch {WEBHOOK}"]
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def test_a_secret_that_was_deleted_is_made_anew_while_pods_still_serve_the_old_one(
    api: FakeApiServer, tmp_path: Path
) -> None:
    run(api, tmp_path)
    before = secret_data(api)
    del api.things[SECRET]

    run(api, tmp_path)

    assert is_trusted(before, bundles(api)[0], tmp_path)
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def _pair(name: str = NAME, now: datetime = NOW) -> dict[str, str]:
    pair = issue([name, name.removesuffix(".svc")], now)
    parts = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.ca}
    return {key: base64.b64encode(value).decode() for key, value in parts.items()}


UNUSABLE = {
    "nothing in it": {},
    "not base64": {**_pair(), "tls.crt": "%"},
    "not PEM": {**_pair(), "tls.key": "bm90IFBFTQ=="},
    "another's key": {**_pair(), "tls.key": _pair()["tls.key"]},
    "another CA": {**_pair(), "ca.crt": _pair()["ca.crt"]},
    "another's name": _pair("llm-sidecar-webhook.elsewhere.svc"),
    "ended": _pair(now=NOW - timedelta(days=400)),
}


@pytest.mark.parametrize("data", UNUSABLE.values(), ids=UNUSABLE)
def test_a_secret_that_will_not_do_is_replaced(api: FakeApiServer, tmp_path: Path, data: dict[str, str]) -> None:
    mine = {"metadata": {"name": OPTIONS.secret, "labels": {"team": "platform"}}, "type": "Opaque"}
    api.put(SECRET, {**mine, "data": {**data, "more": "bW9yZQ=="}})

    run(api, tmp_path)

    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)
    kept = api.things[SECRET]
    assert (kept["metadata"]["labels"], kept["type"], kept["data"]["more"]) == (
        {"team": "platform"},
        "Opaque",
        "bW9yZQ==",
    )


def test_a_certificate_of_somebody_else_s_is_left_alone_as_long_as_it_will_do(
    api: FakeApiServer, tmp_path: Path
) -> None:
    api.put(SECRET, {"metadata": {"name": OPTIONS.secret}, "data": _pair()})

    run(api, tmp_path)

    assert api.writes == [f"patch {WEBHOOK}"]
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def test_two_runs_at_once_end_with_one_certificate_that_is_trusted(api: FakeApiServer, tmp_path: Path) -> None:
    """The other one is faster by the whole of its run: a Job, while the CronJob begins."""

    def run_another(verb: str, _path: str) -> None:
        if verb == "create":
            api.interfere = lambda _verb, _path: None
            run(api, tmp_path)

    api.interfere = run_another

    run(api, tmp_path)

    assert [write for write in api.writes if SECRETS in write] == [f"create {SECRET}"]
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def test_a_configuration_that_changes_meanwhile_is_read_again(api: FakeApiServer, tmp_path: Path) -> None:
    def apply_another(verb: str, _path: str) -> None:
        if verb == "patch":
            api.interfere = lambda _verb, _path: None
            api.put(WEBHOOK, configuration() | {"metadata": {"labels": {"new": "yes"}}})

    api.interfere = apply_another

    run(api, tmp_path)

    assert api.things[WEBHOOK]["metadata"]["labels"] == {"new": "yes"}
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)


def test_whoever_never_stops_writing_is_told_of(api: FakeApiServer, tmp_path: Path) -> None:
    api.interfere = lambda verb, _path: api.put(WEBHOOK, configuration()) if verb == "patch" else None

    with pytest.raises(ConflictError, match="the object has been modified"):
        run(api, tmp_path)


@pytest.mark.parametrize(("plural", "verb"), sorted(EVERYTHING))
def test_a_right_that_is_missing_is_named_as_a_rule(
    api: FakeApiServer, tmp_path: Path, plural: str, verb: str
) -> None:
    if verb == "update":
        api.put(SECRET, {"metadata": {"name": OPTIONS.secret}})
    api.rights = EVERYTHING - {(plural, verb)}

    with pytest.raises(ApiError) as refused:
        run(api, tmp_path)

    told = str(refused.value)
    group = "" if plural == "secrets" else "admissionregistration.k8s.io"
    names = "" if verb == "create" else f", resourceNames: [{OPTIONS.secret if group == '' else OPTIONS.webhook}]"
    assert f'{{apiGroups: ["{group}"], resources: [{plural}]{names}, verbs: [{verb}]}}' in told
    assert ("ClusterRole" in told) == (group != "")


def test_a_configuration_that_is_not_there_is_named(api: FakeApiServer, tmp_path: Path) -> None:
    del api.things[WEBHOOK]

    with pytest.raises(ApiError, match=r"mutatingwebhookconfigurations/llm-sidecar-webhook.*--webhook"):
        run(api, tmp_path)
    assert api.writes == []


@pytest.mark.parametrize(
    "client",
    [
        {"service": {"name": "other", "namespace": "llm-sidecar-system"}},
        {"service": None, "url": "https://elsewhere.example"},
    ],
)
def test_another_s_webhook_gets_no_ca(api: FakeApiServer, tmp_path: Path, client: dict[str, Any]) -> None:
    api.put(WEBHOOK, configuration(**client))

    with pytest.raises(ApiError, match="not the service llm-sidecar-system/llm-sidecar-webhook"):
        run(api, tmp_path)
    assert api.writes == []


def test_a_token_that_is_not_taken_is_told(api: FakeApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of a cluster that is gone")

    with pytest.raises(ApiError, match="does not take the service account's token"):
        run(api, tmp_path)


def test_a_server_of_another_ca_is_not_told_the_token(api: FakeApiServer, tmp_path: Path) -> None:
    asked: list[str] = []
    api.interfere = lambda verb, _path: asked.append(verb)
    (tmp_path / "ca.crt").write_bytes(issue(["another"], NOW).ca)

    with pytest.raises(ApiError, match=r"cannot reach the API server at 127\.0\.0\.1:\d+: .*certificate"):
        run(api, tmp_path)
    assert asked == []


def test_outside_a_pod_that_is_what_is_said(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="this runs in a pod"):
        ApiServer.in_cluster({}, tmp_path)


def test_a_pod_without_a_token_is_told_how_to_get_one(api: FakeApiServer, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()

    with pytest.raises(ApiError, match="automountServiceAccountToken: true"):
        run(api, tmp_path)


def test_as_a_command_it_says_what_it_did_and_what_it_may_not(api: FakeApiServer, tmp_path: Path) -> None:
    def command(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            sidecar_command("certificate", *arguments),
            env={**os.environ, **api.environment},
            check=False,
            capture_output=True,
            text=True,
        )

    made = command("--service-account", tmp_path)
    again = command("--service-account", tmp_path)
    api.rights = frozenset()
    refused = command("--service-account", tmp_path)
    outside = command("--service-account", tmp_path / "nowhere")

    assert (made.returncode, again.returncode) == (0, 0)
    assert f"a new certificate, for {NAME} (there is none)" in made.stderr
    assert "the certificate stays" in again.stderr
    assert is_trusted(secret_data(api), bundles(api)[0], tmp_path)
    assert refused.returncode == 1 and refused.stderr.startswith(
        "sidecar: cannot get secrets/llm-sidecar-webhook-tls"
    )
    assert outside.returncode == 1 and "expected token and ca.crt of a service account" in outside.stderr
    assert "PRIVATE KEY" not in made.stderr and secret_data(api)["tls.key"].decode() not in made.stderr
