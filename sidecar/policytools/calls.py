"""A request handed to a tool, decided as the server decides one that Envoy hands it."""

from dataclasses import dataclass

from sidecar.routing.api import Endpoint
from sidecar.routing.decision import Decision
from sidecar.routing.policy import Policy
from sidecar.routing.record import rejection_record
from sidecar.routing.rejection import RejectedError
from sidecar.routing.request import parse_request
from sidecar.routing.router import Routed, Router
from sidecar.routing.signals import RequestHead
from sidecar.routing.trail import Trail


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request at one of the router's endpoints."""

    endpoint: Endpoint
    body: bytes
    head: RequestHead


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    result: Decision | RejectedError
    record: bytes
    routed: Routed | None
    """None if the body could not be read."""


async def decide_call(router: Router, call: Call) -> Answer:
    """Whatever the body is."""
    try:
        request = parse_request(call.endpoint, call.body)
    except RejectedError as rejection:
        return Answer(rejection, rejection_record(rejection, router.policy.hash, None, Trail(), ""), None)
    routed = await router.route(request, call.head)
    return Answer(routed.result, routed.record, routed)


def default_path(policy: Policy) -> str:
    """Of the first endpoint that some model can be asked at."""
    spoken = {endpoint for model in policy.models.values() for endpoint in model.endpoints}
    return f"/v1/{next((each for each in Endpoint if each in spoken), Endpoint.CHAT_COMPLETIONS)}"
