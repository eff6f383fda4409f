"""Errors that Envoy itself answers, in the shape that the client's SDK parses."""

from sidecar.envoyconfig.parts.messages import accesslog, core, hcm, matcher, regex, route, struct

_TOO_LARGE = "request body is larger than 16 MiB"
_NO_KEY = "the gateway has no key for this provider"
_ENVOYS_OWN = "%LOCAL_REPLY_BODY%"

_Op = accesslog.ComparisonFilterOp


def edge_replies() -> hcm.LocalReplyConfig:
    """Those of the clients' side."""
    return hcm.LocalReplyConfig(mappers=list(shared_mappers().values()))


def models_replies() -> hcm.LocalReplyConfig:
    """Those of the providers' side.

    A key that is missing is not the client's fault and no reason to stop: as a 503 it sends the attempt to the next
    model.
    """
    no_key = _status(_Op.EQ, 401)
    mappers = [
        _mapper(_both(no_key, anthropic_shaped()), _anthropic("api_error", _NO_KEY), 503),
        _mapper(no_key, _openai("server_error", _NO_KEY), 503),
    ]
    return hcm.LocalReplyConfig(mappers=[*mappers, *shared_mappers().values()])


def shared_mappers() -> dict[str, hcm.ResponseMapper]:
    """Those of both sides, each with a name; for every error one in each API's shape."""
    too_large, server_error = _status(_Op.EQ, 413), _status(_Op.GE, 500)
    return {
        "anthropic-too-large": _mapper(
            _both(too_large, anthropic_shaped()), _anthropic("request_too_large", _TOO_LARGE)
        ),
        "openai-too-large": _mapper(too_large, _openai("invalid_request_error", _TOO_LARGE)),
        "anthropic-server-error": _mapper(
            _both(server_error, anthropic_shaped()), _anthropic("api_error", _ENVOYS_OWN)
        ),
        "openai-server-error": _mapper(server_error, _openai("server_error", _ENVOYS_OWN)),
    }


def anthropic_shaped() -> accesslog.AccessLogFilter:
    """Requests of clients that expect Anthropic's shape."""
    path = matcher.StringMatcher(safe_regex=regex("(?i)/v1/messages.*"))
    return accesslog.AccessLogFilter(
        header_filter=accesslog.HeaderFilter(header=route.HeaderMatcher(name=":path", string_match=path))
    )


def _status(op: _Op, status: int) -> accesslog.AccessLogFilter:
    value = core.RuntimeUInt32(default_value=status, runtime_key="unused")  # Envoy insists on a key
    comparison = accesslog.ComparisonFilter(op=op, value=value)
    return accesslog.AccessLogFilter(status_code_filter=accesslog.StatusCodeFilter(comparison=comparison))


def _both(*filters: accesslog.AccessLogFilter) -> accesslog.AccessLogFilter:
    return accesslog.AccessLogFilter(and_filter=accesslog.AndFilter(filters=list(filters)))


def _mapper(
    condition: accesslog.AccessLogFilter, body: dict[str, object], status: int | None = None
) -> hcm.ResponseMapper:
    return hcm.ResponseMapper(
        filter=condition,
        status_code=status,
        body_format_override=core.SubstitutionFormatString(json_format=struct(body)),
    )


def _anthropic(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}}


def _openai(kind: str, message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
