"""`sidecar certificate`: a certificate for the webhook in a Secret, and its CA in the webhook's configuration.

Run again, it writes nothing as long as both are right; so a Job may make them and a CronJob renew them. A new CA is
trusted before anything is served by it, and the one before it stays trusted: the kubelet brings a new Secret into the
webhook's pods a minute or two later, and not into all of them at once.
"""

import base64
import binascii
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sidecar.injection.api_server import ApiError, ApiServer, ConflictError, Json, NotFoundError, Resource
from sidecar.injection.signing import KeyPair, issue, valid_certificates, why_renew

_log = logging.getLogger("sidecar")

# A Job and a CronJob, or somebody's kubectl: who writes in between does so once or twice.
_ATTEMPTS = 5

# The new CA, the one before, and some more: those of older ones and of attempts that came to nothing have no key any
# more, while one that another run of this has just put there is about to be used.
_MOST_TRUSTED = 8


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """What the command line says: names of things in Kubernetes."""

    service: str
    namespace: str
    """Of the Service and of the Secret."""
    secret: str
    webhook: str
    """A MutatingWebhookConfiguration."""

    @property
    def dns_names(self) -> tuple[str, ...]:
        """By which the webhook is reached; the API server uses the first."""
        return f"{self.service}.{self.namespace}.svc", f"{self.service}.{self.namespace}"


def ensure_certificate(api: ApiServer, options: CertificateOptions, now: datetime) -> None:
    """Make or renew what has to be. Raises ApiError."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _ensure(api, options, now)
        except ConflictError as error:
            if attempt == _ATTEMPTS:
                raise
            _log.info("%s; once more", error)
        else:
            return


def _ensure(api: ApiServer, options: CertificateOptions, now: datetime) -> None:
    secret = Resource("", "secrets", options.secret, options.namespace)
    found = _find(api, secret)
    before = _read_pair(found)
    why = "there is none" if found is None else why_renew(before, options.dns_names, now)
    pair = before if why is None else issue(options.dns_names, now)
    _trust(api, options, before, pair, now)
    if why is None:
        _log.info("%s: the certificate stays", secret)
    else:
        _write(api, secret, found, pair)
        _log.info("%s: a new certificate, for %s (%s)", secret, options.dns_names[0], why)


def _find(api: ApiServer, secret: Resource) -> Json | None:
    try:
        return api.get(secret)
    except NotFoundError:
        return None


def _read_pair(secret: Json | None) -> KeyPair:
    """Empty where the Secret has nothing, or nothing that can be read."""
    data = (secret or {}).get("data") or {}
    return KeyPair(*(_decode(data.get(key)) for key in ("tls.crt", "tls.key", "ca.crt")))


def _decode(text: object) -> bytes:
    try:
        return base64.b64decode(str(text or ""), validate=True)
    except binascii.Error:
        return b""


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _write(api: ApiServer, secret: Resource, found: Json | None, pair: KeyPair) -> None:
    data = {"tls.crt": _encode(pair.certificate), "tls.key": _encode(pair.key), "ca.crt": _encode(pair.ca)}
    if found is not None:  # with its resourceVersion: what somebody else wrote since is not overwritten
        api.update(secret, {**found, "data": {**(found.get("data") or {}), **data}})
        return
    labels = {"app.kubernetes.io/name": secret.name, "app.kubernetes.io/part-of": "envoy-llm-sidecar"}
    metadata = {"name": secret.name, "namespace": secret.namespace, "labels": labels}
    api.create(
        secret,
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data},
    )


def _trust(api: ApiServer, options: CertificateOptions, before: KeyPair, pair: KeyPair, now: datetime) -> None:
    """The CA of `pair` in every webhook of the configuration, and with it that of `before`."""
    resource = Resource("admissionregistration.k8s.io", "mutatingwebhookconfigurations", options.webhook)
    try:
        found = api.get(resource)
    except NotFoundError as error:
        raise ApiError(f"{error}; apply it first, or name another one with --webhook") from error
    changed = [
        {"name": webhook["name"], "clientConfig": {"caBundle": _encode(bundle)}}
        for webhook in found.get("webhooks") or []
        if (bundle := _bundle(_client(webhook, options), before, pair, now)) is not None
    ]
    if not changed:
        _log.info("%s: trusts the CA", resource)
        return
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    api.patch(resource, {"metadata": version, "webhooks": changed})
    _log.info("%s: the CA is in its caBundle", resource)


def _client(webhook: Json, options: CertificateOptions) -> dict[str, Any]:
    """How the API server reaches that webhook. Raises ApiError if that is not by our Service."""
    client: dict[str, Any] = webhook.get("clientConfig") or {}
    service = client.get("service") or {}
    called = f"{service.get('namespace')}/{service.get('name')}" if service else str(client.get("url"))
    if called != (expected := f"{options.namespace}/{options.service}"):
        raise ApiError(
            f"webhook {webhook['name']} of {options.webhook} calls {called}, not the service {expected}: "
            "expected --namespace and --service to name it"
        )
    return client


def _bundle(client: dict[str, Any], before: KeyPair, pair: KeyPair, now: datetime) -> bytes | None:
    """None for one that need not change."""
    trusted = valid_certificates(_decode(client.get("caBundle")), now)
    wanted = valid_certificates(pair.ca, now)
    if set(wanted) <= set(trusted):
        return None
    return b"".join(list(dict.fromkeys([*wanted, *valid_certificates(before.ca, now), *trusted]))[:_MOST_TRUSTED])
