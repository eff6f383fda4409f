"""`sidecar webhook` as a process, asked over TLS."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from sidecar.injection.pod import inject
from sidecar.injection.signing import KeyPair
from tests.fakes.manifests import VERSIONS, find, overlay, require_valid
from tests.fakes.ports import free_port
from tests.fakes.reviews import apply, pod, recorded, review_of
from tests.fakes.serving import eventually, get, sidecar_command
from tests.fakes.webhooks import NAME, SecretVolume, WebhookProcess, admit, new_pair, post, trusting


@pytest.fixture
def pair() -> KeyPair:
    """What the webhook starts with."""
    return new_pair()


@pytest.fixture
def webhook(tmp_path: Path, pair: KeyPair) -> Iterator[WebhookProcess]:
    """Ready."""
    with WebhookProcess(tmp_path, pair) as process:
        yield process


@pytest.mark.asyncio
async def test_a_pod_comes_back_as_offline_injection_makes_it(webhook: WebhookProcess, pair: KeyPair) -> None:
    for name in ("deployment", "job", "dry-run"):
        created = recorded(name)["request"]["object"]
        patched = apply(await admit(webhook, trusting(pair), recorded(name)), created)
        assert patched == inject(created)
        require_valid(patched, VERSIONS[-1])


@pytest.mark.asyncio
async def test_an_installation_s_defaults_are_used(tmp_path: Path, pair: KeyPair) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("image: registry.example/llm:9\nworkers: 3\n")

    with WebhookProcess(tmp_path, pair, "--defaults", defaults) as webhook:
        patched = apply(await admit(webhook, trusting(pair), review_of(pod())), pod())

    assert {it["image"] for it in patched["spec"]["initContainers"][:2]} == {"registry.example/llm:9"}


@pytest.mark.asyncio
async def test_each_decision_is_one_line_and_one_count(webhook: WebhookProcess, pair: KeyPair) -> None:
    context = trusting(pair)
    asked: dict[str, Any] = {
        "INFO sidecar: shop/assistant-6d5f9c7b8d-* injected": recorded("deployment"),
        "INFO sidecar: shop/try (dry run) injected": recorded("dry-run"),
        "INFO sidecar: shop/app already_injected": review_of(inject(pod())),
        "INFO sidecar: shop/try untouched: UPDATE, not CREATE": recorded("update"),
        "WARNING sidecar: shop/app refused: spec.hostNetwork: ": review_of(pod(hostNetwork=True)),
        "WARNING sidecar: malformed request from 127.0.0.1: expected an AdmissionReview as JSON: ": b"{",
    }
    for body in asked.values():
        await post(webhook, context, body)

    decided = webhook.log().partition("ready at ")[2].splitlines()[1:]
    for line, expected in zip(decided, asked, strict=True):
        assert expected in line
    assert "correct horse" not in webhook.log()
    assert webhook.counts("llm_webhook_admissions_total") == {
        "injected": 2,
        "already_injected": 1,
        "untouched": 1,
        "refused": 1,
        "malformed": 1,
    }


@pytest.mark.asyncio
async def test_what_is_no_review_is_told_in_a_sentence(webhook: WebhookProcess, pair: KeyPair) -> None:
    most = 3 * 1024 * 1024  # as of the API server itself
    for body, path, expected, told in (
        (b"not JSON", "/inject", 400, "expected an AdmissionReview as JSON"),
        (b"{}", "/inject", 400, "admission.k8s.io/v1"),
        (b"[" * most, "/inject", 400, "nested too deeply"),
        (b" " * (most + 1), "/inject", 413, str(most)),
        (b"{}", "/", 404, ""),
        (b"{}", "/metrics", 404, ""),
        (b"{}", "/healthz", 405, ""),
    ):
        status, text = await post(webhook, trusting(pair), body, path)
        assert (status, told in text) == (expected, True)
    assert (await admit(webhook, trusting(pair), review_of(pod())))["allowed"]


@pytest.mark.asyncio
async def test_large_pods_take_turns_and_each_is_answered(webhook: WebhookProcess, pair: KeyPair) -> None:
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(3_000)]
    created = pod(containers=[{"name": "app", "image": "registry.example/app:1", "env": env}])

    answers = await asyncio.gather(*(admit(webhook, trusting(pair), review_of(created)) for _ in range(12)))

    assert [apply(answer, created) == inject(created) for answer in answers] == [True] * 12


@pytest.mark.asyncio
async def test_tls_is_of_a_version_that_is_still_safe(webhook: WebhookProcess, pair: KeyPair) -> None:
    context = trusting(pair)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        assert (await admit(webhook, context, review_of(pod())))["allowed"]


def test_an_older_tls_is_refused(webhook: WebhookProcess, pair: KeyPair) -> None:
    context = trusting(pair)
    context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself would refuse
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with socket.create_connection(("127.0.0.1", webhook.port)) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection, server_hostname=NAME)


@pytest.mark.asyncio
async def test_no_call_fails_while_the_certificate_is_renewed_again_and_again(
    webhook: WebhookProcess, pair: KeyPair
) -> None:
    pairs = [pair, *(new_pair() for _ in range(3))]
    context = trusting(*pairs)  # as `sidecar certificate` has it, before the first is served
    is_over = asyncio.Event()

    async def keep_asking() -> int:
        asked = 0
        while not is_over.is_set():
            assert (await admit(webhook, context, recorded("deployment")))["allowed"]
            asked += 1
        return asked

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(keep_asking()) for _ in range(4)]
        for count, renewed in enumerate(pairs[1:], 1):
            webhook.volume.publish(renewed.certificate, renewed.key)
            await asyncio.to_thread(webhook.wait_for_line, "certificate reloaded", count)
            assert (await admit(webhook, trusting(renewed), recorded("job")))["allowed"]
        is_over.set()

    assert sum(task.result() for task in asking) == webhook.counts("llm_webhook_admissions_total")["injected"] - 3
    assert webhook.counts("llm_webhook_certificate_reloads_total") == {"ok": 3, "failed": 0}


def _broken(pair: KeyPair) -> dict[str, tuple[bytes, bytes, str]]:
    """Certificate, key, and what is said of them."""
    other = new_pair()
    ended = new_pair(datetime.now(UTC) - timedelta(days=400))
    early = new_pair(datetime.now(UTC) + timedelta(days=2))
    return {
        "another's key": (other.certificate, pair.key, "tls.key: expected the private key of "),
        "no certificate": (b"", other.key, "tls.crt: expected a certificate as PEM"),
        "no key": (other.certificate, b"-----BEGIN", "tls.key: expected a private key as PEM"),
        "ended": (ended.certificate, ended.key, "tls.crt: it ended on "),
        "not valid yet": (early.certificate, early.key, "tls.crt: it is valid only from "),
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", _broken(new_pair()))
async def test_a_broken_certificate_is_told_of_and_the_last_good_one_stays(
    webhook: WebhookProcess, pair: KeyPair, fault: str
) -> None:
    certificate, key, told = _broken(pair)[fault]

    webhook.volume.publish(certificate, key)
    webhook.tell(signal.SIGHUP)  # it would see for itself, a little later

    assert told in webhook.wait_for_line("ERROR sidecar: certificate not reloaded, the one that ends on ")
    assert (await admit(webhook, trusting(pair), review_of(pod())))["allowed"]
    status, text = get(f"{webhook.http}/readyz")
    assert (status, told in text) == (200, True)
    assert webhook.counts("llm_webhook_certificate_reloads_total") == {"ok": 0, "failed": 1}

    renewed = new_pair()
    webhook.volume.publish(renewed.certificate, renewed.key)
    webhook.wait_for_line("certificate reloaded")
    assert (await admit(webhook, trusting(renewed), review_of(pod())))["allowed"]
    assert get(f"{webhook.http}/readyz") == (200, "ready\n")


def test_a_certificate_that_is_gone_for_a_moment_is_waited_for(webhook: WebhookProcess) -> None:
    webhook.volume.certificate.unlink()
    assert "No such file" in webhook.wait_for_line("certificate not reloaded")

    renewed = new_pair()
    webhook.volume.certificate.write_bytes(renewed.certificate)
    webhook.volume.key.unlink()
    webhook.volume.key.write_bytes(renewed.key)
    webhook.wait_for_line("certificate reloaded")


def test_a_signal_makes_it_read_the_certificate_at_once(webhook: WebhookProcess) -> None:
    webhook.tell(signal.SIGHUP)

    webhook.wait_for_line("certificate reloaded")


def test_one_whose_certificate_has_ended_is_not_ready_until_there_is_a_new_one(tmp_path: Path) -> None:
    with WebhookProcess(tmp_path, new_pair(datetime.now(UTC) - timedelta(days=400))) as webhook:
        status, text = get(f"{webhook.http}/readyz")
        assert status == 503 and "it ended on " in text
        assert webhook.counts("llm_webhook_certificate_remaining_seconds")[""] < 0

        renewed = new_pair()
        webhook.volume.publish(renewed.certificate, renewed.key)
        eventually(lambda: get(f"{webhook.http}/readyz"), (200, "ready\n"))
        days = webhook.counts("llm_webhook_certificate_remaining_seconds")[""] / 86_400
        assert 364 < days < 366


@pytest.mark.asyncio
async def test_slow_clients_are_turned_away_and_keep_nobody_waiting(webhook: WebhookProcess, pair: KeyPair) -> None:
    context = trusting(pair)
    head = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"

    async def connect(said: bytes | None, tls: ssl.SSLContext | None) -> Callable[[], Awaitable[bytes]]:
        name = None if tls is None else NAME
        reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port, ssl=tls, server_hostname=name)
        writer.write(said or b"")

        async def wait_for_end() -> bytes:
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.transport.abort()

        return wait_for_end

    slow = [
        await connect(said, tls)
        for said, tls in (
            (None, None),  # no handshake
            (b"\x16\x03\x01\x02\x00", None),  # the beginning of one
            (b"GET /healthz HTTP/1.1\r\n\r\n", None),  # no TLS at all
            (None, context),  # nothing said
            (head[:30], context),
            (head + b"{", context),
        )
        for _ in range(20)
    ]

    assert (await admit(webhook, context, review_of(pod())))["allowed"]
    assert get(f"{webhook.http}/readyz") == (200, "ready\n")
    ends = [await wait_for_end() for wait_for_end in slow]
    assert {end.partition(b"\r\n")[0] for end in ends} <= {b"", b"HTTP/1.1 408 Request Timeout"}
    assert "Traceback" not in webhook.log()


def test_a_flood_stays_within_the_memory_that_the_manifest_allows(webhook: WebhookProcess, pair: KeyPair) -> None:
    webhook_of = find(overlay("injector-certificate-job"), "Deployment", "llm-sidecar-webhook")
    (container,) = webhook_of["spec"]["template"]["spec"]["containers"]
    allowed = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * 1024 * 1024
    context = trusting(pair)

    assert asyncio.run(flood(webhook, context)) < allowed
    eventually(lambda: is_admitted(webhook, context), True)


async def flood(webhook: WebhookProcess, context: ssl.SSLContext) -> int:
    """Beginnings of five hundred large pods; the most memory that the webhook had, in bytes."""
    beginning = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b"[" * 700_000
    writers: list[asyncio.StreamWriter] = []

    async def send() -> None:
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", webhook.port, ssl=context, server_hostname=NAME)
            writers.append(writer)
            writer.write(beginning)

    for _ in range(10):
        await asyncio.gather(*(send() for _ in range(50)))
    peak = webhook.peak_bytes()
    for writer in writers:
        writer.transport.abort()
    return peak


def is_admitted(webhook: WebhookProcess, context: ssl.SSLContext) -> bool:
    try:
        return bool(asyncio.run(admit(webhook, context, review_of(pod())))["allowed"])
    except (OSError, HTTPException):  # turned away
        return False


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_who_asks_while_it_leaves_is_answered(
    webhook: WebhookProcess, pair: KeyPair, number: signal.Signals
) -> None:
    context, body = trusting(pair), json.dumps(review_of(pod())).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", webhook.port, ssl=context, server_hostname=NAME)
    writer.write(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:50])

    webhook.tell(number)
    webhook.wait_for_line("draining")
    assert get(f"{webhook.http}/readyz") == (503, "draining\n")
    assert get(f"{webhook.http}/healthz")[0] == 200
    assert (await admit(webhook, context, review_of(pod())))["allowed"]  # endpoints are not withdrawn yet
    writer.write(body[50:])

    answer = await reader.read()
    writer.transport.abort()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" in answer
    assert webhook.wait() == 0


def test_go_s_tls_which_is_the_api_server_s_accepts_it_also_beside_another_ca(
    webhook: WebhookProcess, pair: KeyPair, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(new_pair().ca + pair.ca)
    kubectl = Path(sys.executable).with_name("kubectl")
    address = ("--server", f"https://127.0.0.1:{webhook.port}", "--tls-server-name", NAME)
    # Not the configuration of whoever runs this; without a token it asks for a name.
    config = ("--kubeconfig", os.devnull, "--token", "none", "--certificate-authority", bundle)

    asked = subprocess.run([kubectl, *config, *address, "get", "--raw", "/readyz"], check=False, capture_output=True)

    assert (asked.stdout, asked.stderr) == (b"ready\n", b"")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`sidecar webhook`, which is expected to end."""
    command = sidecar_command("webhook", "--http", "none", *arguments)
    return subprocess.run(command, timeout=20, check=False, capture_output=True, text=True)


def test_what_it_cannot_start_with_is_told(tmp_path: Path, pair: KeyPair) -> None:
    volume = SecretVolume(tmp_path)
    files = ("--certificate", volume.certificate, "--key", volume.key)
    volume.publish(pair.certificate, new_pair().key)
    mismatched = run("--listen", f"127.0.0.1:{free_port()}", *files)
    volume.publish(pair.certificate, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = run("--listen", f"127.0.0.1:{port}", *files)
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("prot: 10000\n")
    mistaken = run("--defaults", defaults, *files)

    assert [it.returncode for it in (mismatched, busy, mistaken)] == [2, 2, 2]
    assert mismatched.stderr.startswith(f"sidecar: {volume.key}: expected the private key of {volume.certificate}")
    assert busy.stderr.startswith(f"sidecar: cannot listen on 127.0.0.1:{port}: ")
    assert mistaken.stderr.startswith(f"sidecar: {defaults}:1:1: prot: ")
