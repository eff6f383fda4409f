"""What a person wants explained: a prompt, or a whole request as JSON, as the call that it would be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from sidecar.config.compiling.requests import write_request
from sidecar.policytools.calls import Call, default_path
from sidecar.routing.api import Endpoint, find_endpoint
from sidecar.routing.body import edit_body, replace_value
from sidecar.routing.policy import Policy
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.routing.signals import RequestHead
from sidecar.streams.lines import InputError, decode_json

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends it, where and when."""

    model: str | None
    """What is asked for; None: what the request says, and of a prompt the policy's first virtual model."""
    path: str | None
    """None: what the request says, else the first endpoint that the policy speaks."""
    headers: Mapping[str, str]
    """Names in lower case."""
    received: datetime


class _Whole(msgspec.Struct):
    """A request with its head, where a bare body is not enough."""

    body: msgspec.Raw
    path: str | None = None
    method: str = "POST"
    headers: dict[str, str] = {}


_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WHOLE = msgspec.json.Decoder(_Whole)
_TEXT = msgspec.json.Decoder(str)


def read_call(source: str, policy: Policy, sender: Sender, read_input: Callable[[], bytes]) -> Call:
    """`source` is a prompt, a file or STANDARD_INPUT. Raises InputError."""
    written = read_input() if source == STANDARD_INPUT else _read_file(source)
    if written is None:
        return _call_of_prompt(source, policy, sender)
    if source == STANDARD_INPUT and not written.lstrip().startswith(b"{"):
        return _call_of_prompt(written.decode("utf-8", "replace").strip(), policy, sender)
    return _call_of_request(source, written, policy, sender)


def _read_file(source: str) -> bytes | None:
    """None if it is no file, but a prompt."""
    file = Path(source)
    try:
        if file.is_file():
            return file.read_bytes()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return None
    if file.suffix == ".json" and not any(map(str.isspace, source)):
        raise InputError(f"{source}: no such file")
    return None


def _call_of_prompt(prompt: str, policy: Policy, sender: Sender) -> Call:
    path = sender.path or default_path(policy)
    endpoint = _endpoint("POST", path)
    model = sender.model or next(iter(policy.virtual_models), "auto")
    body = msgspec.json.encode(write_request(endpoint, model, prompt))
    return Call(endpoint, body, RequestHead(path, sender.headers, sender.received))


def _call_of_request(source: str, written: bytes, policy: Policy, sender: Sender) -> Call:
    place = "standard input" if source == STANDARD_INPUT else source
    whole = _read_whole(place, written)
    path = sender.path or whole.path or default_path(policy)
    endpoint = _endpoint(whole.method.upper(), path)
    headers = {name.lower(): value for name, value in whole.headers.items()} | dict(sender.headers)
    body = _body(whole.body)
    if sender.model is not None:
        body = _with_model(endpoint, body, sender.model)
    return Call(endpoint, body, RequestHead(path, headers, sender.received))


def _read_whole(place: str, written: bytes) -> _Whole:
    try:
        if "body" in decode_json(written, _MEMBERS):
            return decode_json(written, _WHOLE)
    except ValueError as error:
        expected = 'expected a request body as JSON, or {"path": …, "headers": …, "body": …}'
        raise InputError(f"{place}: {expected} ({error})") from error
    return _Whole(msgspec.Raw(written))


def _body(raw: msgspec.Raw) -> bytes:
    """As it was sent; as text, for a body that is no JSON."""
    written = bytes(raw)
    return decode_json(written, _TEXT).encode() if written.startswith(b'"') else written


def _with_model(endpoint: Endpoint, body: bytes, model: str) -> bytes:
    try:
        return edit_body(body, [replace_value(parse_request(endpoint, body).model_member, model)])
    except RejectedError:  # it is rejected all the same
        return body


def _endpoint(method: str, path: str) -> Endpoint:
    endpoint = find_endpoint(method, path)
    if endpoint is None:
        known = ", ".join(f"/v1/{each}" for each in Endpoint)
        raise InputError(f"{method} {path} goes past the router; it decides POST to {known}")
    return endpoint
