"""`tests`: requests as a client would send them."""

from collections.abc import Mapping
from typing import Any

from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.running import Expectation, RoutingTest
from sidecar.config.schema.routing_tests import WrittenExpectation, WrittenTest
from sidecar.routing.api import Endpoint, find_endpoint

_LONGEST_NAME = 60


def compile_tests(names: Names, spoken: set[Endpoint]) -> tuple[RoutingTest, ...]:
    """As they are listed."""
    default = next((endpoint for endpoint in Endpoint if endpoint in spoken), Endpoint.CHAT_COMPLETIONS)
    return tuple(
        _compile_test(names, written, ("tests", index), f"/v1/{default}")
        for index, written in enumerate(names.written.tests)
    )


def _compile_test(names: Names, written: WrittenTest, loc: Loc, default_path: str) -> RoutingTest:
    _check_names(names, written.expect, (*loc, "expect"))
    path = written.path or default_path
    model = next(iter(names.written.virtual_models), "auto")
    endpoint = find_endpoint("POST", path)
    if endpoint is None:
        names.fault("test-elsewhere", (*loc, "path"), f"no request is routed at {path!r}", f"write {default_path}")
    request = write_request(endpoint, model, written.prompt or "") if written.request is None else written.request
    return RoutingTest(
        name=written.name or _name(written),
        line=names.document.line_of(loc),
        request=request,
        expect=_expectation(written.expect),
        path=path,
        headers=written.headers,
        at=written.at,
    )


def _name(written: WrittenTest) -> str:
    words = " ".join((written.prompt or "a request").split())
    return words if len(words) <= _LONGEST_NAME else f"{words[: _LONGEST_NAME - 1]}…"


def write_request(endpoint: Endpoint | None, model: str, prompt: str) -> Mapping[str, Any]:
    """What a client would send that has nothing else to say."""
    if endpoint is Endpoint.COMPLETIONS:
        return {"model": model, "prompt": prompt}
    if endpoint is Endpoint.RESPONSES:
        return {"model": model, "input": prompt}
    return {"model": model, "messages": [{"role": "user", "content": prompt}]}


def _check_names(names: Names, expect: WrittenExpectation, loc: Loc) -> None:
    names.check_all("model", expect.model, (*loc, "model"))
    names.check_all("model", expect.not_model, (*loc, "not_model"))
    names.check_all("rule", expect.rule, (*loc, "rule"))
    names.check_all("arm", expect.arm, (*loc, "arm"))
    names.check_intents(expect.intent, (*loc, "intent"))


def _expectation(written: WrittenExpectation) -> Expectation:
    return Expectation(
        tier=written.tier or (),
        model=written.model or (),
        not_model=written.not_model or (),
        reason=written.reason or (),
        rule=written.rule or (),
        intent=written.intent or (),
        arm=written.arm or (),
        status=written.status or (),
    )
