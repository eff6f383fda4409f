"""Rules for the providers' keys: in files of their own, the right one for each provider, added last."""

from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.config.finding import Severity
from sidecar.envoyconfig.checks.ext_proc import CREDENTIALS
from sidecar.envoyconfig.finding import Fault, Rule
from sidecar.envoyconfig.reading.attempts import Attempt
from sidecar.envoyconfig.reading.document import Node
from sidecar.envoyconfig.reading.elements import (
    HttpFilter,
    SetHeader,
    added_headers,
    header_changes,
    read_set_headers,
)
from sidecar.envoyconfig.reading.gateway import Gateway
from sidecar.envoyconfig.reading.secrets import SecretFile
from sidecar.routing.api import Api

_INJECTOR = "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
_GENERIC = "envoy.extensions.http.injected_credentials.generic.v3.Generic"
# Filters that bring a credential along, or are programs that may.
_OTHER_SOURCES = ("aws_request_signing.", "gcp_authn.", "lua.", "ext_proc.", "wasm.", "golang.", "dynamic_modules.")

_BEARER = "Bearer "
# Header and prefix that each API takes a key in.
_HEADERS = {
    Api.OPENAI: (("authorization", _BEARER), ("api-key", "")),
    Api.ANTHROPIC: (("x-api-key", ""), ("authorization", _BEARER)),
}


@dataclass(frozen=True, slots=True)
class _Credential:
    """A key that the filter of a cluster adds."""

    attempt: Attempt
    filter: HttpFilter
    config: Node
    """Of the generic credential."""

    @property
    def secret(self) -> Node:
        return self.config.at("credential")


def _credentials(gateway: Gateway) -> Iterator[_Credential]:
    for attempt in gateway.attempts:
        for filter_ in attempt.provider.filters if attempt.provider is not None else ():
            type_, config = filter_.config.at("credential", "typed_config").typed()
            if filter_.type == _INJECTOR and type_ == _GENERIC:
                yield _Credential(attempt, filter_, config)


def _credential_type(injector: HttpFilter) -> str:
    return injector.config.at("credential", "typed_config").typed()[0]


def _needs_key(gateway: Gateway, attempt: Attempt) -> bool:
    return gateway.config.providers[attempt.model.provider].api_key_file is not None


def _keyless(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if attempt.provider is None or not _needs_key(gateway, attempt):
            continue
        types = [it.type for it in attempt.provider.filters]
        sources = [type_ for type_ in types if any(it in type_ for it in _OTHER_SOURCES)]
        sources += [it.name for it in attempt.provider.filters if it.type == _INJECTOR and _credential_type(it)]
        set_names = {it.name for it in attempt.provider.set_headers()} | set(_added(attempt))
        injecting = attempt.inner.filters_of(_INJECTOR) if attempt.inner is not None else []
        if not sources and not injecting and not set_names.intersection(CREDENTIALS):
            provider = attempt.model.provider
            yield Fault(attempt.provider.node, f"cluster {attempt.provider.name!r} adds no key of {provider}")


def _added(attempt: Attempt) -> dict[str, SetHeader]:
    """The headers that the inner route adds."""
    return added_headers("request_headers_to_add", attempt.levels) if attempt.levels else {}


def _wrong_headers(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        header = credential.config.at("header")
        prefix = credential.config.at("header_value_prefix")
        found = header.text().lower() or "authorization", prefix.text()
        wanted = _HEADERS[credential.attempt.endpoint.api]
        if found not in wanted:
            name, before = wanted[0]
            fix = f"header: {name}" + (f' and header_value_prefix: "{before}"' if before else "")
            yield Fault(
                header if header.is_set else credential.config,
                f"the key is sent as '{found[0]}: {found[1]}…', and the {credential.attempt.endpoint.api} API takes "
                f"'{name}: {before}…'",
                fix,
            )


def _written_out(gateway: Gateway) -> Iterator[Fault]:
    trees = [gateway.root, *(secret for file in gateway.secret_files.values() for secret in file.secrets)]
    for node in (node for tree in trees for node in tree.walk()):
        key, value = node.at("key"), node.at("value")
        if key.text().lower() in CREDENTIALS and value.text() and "%" not in value.text():
            yield Fault(value, f"{key.text()} is written into the file")
        for name in ("inline_string", "inline_bytes"):
            secret = node.at("generic_secret", "secret", name)
            if secret.is_set:
                yield Fault(secret, f"a secret is written into the file ({name})")


def _file_of(gateway: Gateway, credential: _Credential) -> SecretFile | None:
    sds = credential.secret.at("sds_config")
    path = sds.at("path_config_source", "path").text() or sds.at("path").text()
    file = gateway.secret_files.get(path)
    return file if file is not None and file.is_found and file.problem is None else None


def _secret_of(gateway: Gateway, credential: _Credential) -> Node | None:
    """The secret that a credential names; None if it is not there to be seen."""
    name = credential.secret.at("name").text()
    if not credential.secret.at("sds_config").is_set:
        in_file = gateway.root.at("static_resources", "secrets").items()
        return next((it for it in in_file if it.at("name").text() == name), None)
    file = _file_of(gateway, credential)
    return file.secret(name) if file is not None else None


def _unknown_secrets(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        name = credential.secret.at("name")
        file = _file_of(gateway, credential)
        in_sds = credential.secret.at("sds_config").is_set
        if _secret_of(gateway, credential) is None and (file is not None or not in_sds):
            where = file.named_at.text() if file is not None else "static_resources.secrets"
            yield Fault(name, f"no secret is named {name.text()!r} in {where}")
        elif in_sds and not _has_source(credential.secret.at("sds_config")):
            yield Fault(credential.secret.at("sds_config"), "sds_config says no place to read the key from")


def _has_source(sds: Node) -> bool:
    places = [sds.at(name) for name in ("path", "api_config_source", "ads", "self")]
    return any(it.is_set for it in (sds.at("path_config_source", "path"), *places))


def _other_files(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        secret = _secret_of(gateway, credential)
        wanted = gateway.config.providers[credential.attempt.model.provider].api_key_file
        if secret is None or wanted is None:
            continue
        filename = secret.at("generic_secret", "secret", "filename")
        if filename.is_set and filename.text() != wanted:
            message = f"the key of {credential.attempt.model.provider} is read from {filename.text()}"
            yield Fault(credential.secret.at("name"), f"{message}, and from {wanted} in the policy")


def _unwatched(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        source = (_secret_of(gateway, credential) or gateway.root).at("generic_secret", "secret")
        if source.at("filename").is_set and not source.at("watched_directory", "path").is_set:
            yield Fault(source.at("filename"), f"{source.at('filename').text()} is not watched")


def _too_early(gateway: Gateway) -> Iterator[Fault]:
    for listener in gateway.passed_listeners:
        for injector in listener.filters_of(_INJECTOR):
            yield Fault(
                injector.node, f"listener {listener.name!r} adds the key before its routes remove the client's"
            )


def _removed_again(gateway: Gateway) -> Iterator[Fault]:
    for attempt in gateway.attempts:
        if not attempt.levels:
            continue
        route, *outer = attempt.levels
        removed = {it.text().lower() for it in header_changes("request_headers_to_remove", *outer)}
        for header in read_set_headers(header_changes("request_headers_to_add", route)):
            if header.name in CREDENTIALS and header.name in removed:
                yield Fault(header.node, f"{header.name} is added here, and removed again by the virtual host")


def _kept(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        overwrite = credential.filter.config.at("overwrite")
        if overwrite.flag() is not True:
            yield Fault(overwrite, "overwrite is not true")


def _optional(gateway: Gateway) -> Iterator[Fault]:
    for credential in _credentials(gateway):
        optional = credential.filter.config.at("allow_request_without_credential")
        if optional.flag() is True:
            yield Fault(optional, "requests go on without a key when there is none")


RULES = (
    Rule(
        "key-missing",
        Severity.ERROR,
        _keyless,
        reason="The policy names a key file for this provider, which refuses requests without the key.",
        fix="an envoy.filters.http.credential_injector in the cluster's http_filters, before upstream_codec",
    ),
    Rule(
        "key-header",
        Severity.ERROR,
        _wrong_headers,
        reason="The provider looks for its key in another header, or with another prefix: it answers 401.",
        fix="the header and prefix of the API",
    ),
    Rule(
        "key-inline",
        Severity.ERROR,
        _written_out,
        reason="A key in a configuration gets into repositories, config dumps, and onto stderr when the file does "
        "not parse. From a file it is read again when it changes.",
        fix="a file with the raw key, named by an SDS file (sds_config: {path_config_source: {path: …}})",
    ),
    Rule(
        "key-secret",
        Severity.ERROR,
        _unknown_secrets,
        reason="Envoy waits for a secret of this name; without it every attempt on the provider fails.",
        fix="the name of the secret in the key file",
    ),
    Rule(
        "key-file",
        Severity.ERROR,
        _other_files,
        reason="One provider would be sent the key of another.",
        fix="the SDS file whose secret has the provider's api_key_file as its filename",
    ),
    Rule(
        "key-watched",
        Severity.WARNING,
        _unwatched,
        reason="Envoy reads a new key when the directory that it watches changes; without one, at its next start.",
        fix="watched_directory: {path: the directory of the key file}",
    ),
    Rule(
        "key-too-early",
        Severity.ERROR,
        _too_early,
        reason="Filters of a listener run before its router: what removes the client's credentials removes the key, "
        "too.",
        fix="the credential_injector in the http_filters of the provider's cluster",
    ),
    Rule(
        "key-removed",
        Severity.ERROR,
        _removed_again,
        reason="Envoy applies the virtual host's list after the route's: the provider gets no key.",
        fix="the credential_injector in the http_filters of the provider's cluster",
    ),
    Rule(
        "key-overwrites",
        Severity.WARNING,
        _kept,
        reason="A header that is there already is kept, and the key not added: a client's own would be used.",
        fix="overwrite: true",
    ),
    Rule(
        "key-required",
        Severity.WARNING,
        _optional,
        reason="The provider would answer 401, and no other model is tried. Without this option the attempt fails "
        "before it is sent, and the next model has its turn.",
        fix="remove allow_request_without_credential",
    ),
)
