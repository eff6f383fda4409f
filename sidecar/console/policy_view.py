"""The policy as the console shows it."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from sidecar.routing.policy import Model, Policy

_HIDDEN = "•••"

# Headers that hold what nobody may see.
_SECRET_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"))

# What keys look like, wherever somebody has put one by mistake; and user:password@ in addresses.
_SECRET = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{12,}|\bAIza[\w-]{30,}|\bgh[pousr]_\w{20,}|\bxox[abprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b"
    r"|(?<=bearer )\S+|(?<=://)[^/\s@]+(?=@)",
    re.IGNORECASE,
)

# libyaml's, where PyYAML was built with it: a thousand models take a moment without.
_FAST_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_FAST_DUMPER):  # type: ignore[misc]  # of one of two classes
    def ignore_aliases(self, data: object) -> bool:
        """What stands twice is written twice."""
        return True


@dataclass(frozen=True)
class PolicyView:
    """A policy and the file that it was read from; whatever is costly is worked out once, when it is asked for."""

    policy: Policy
    written: object
    """The file as plain data."""

    @cached_property
    def text(self) -> str:
        """YAML, without comments and with dots for whatever looks like a key."""
        shown = _hide(self.written, _secret_names(self.written))
        return yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What the page has to know of it, for JSON."""
        policy = self.policy
        return {
            "hash": policy.hash,
            "virtual_models": list(policy.virtual_models),
            "endpoints": sorted({endpoint.value for model in policy.models.values() for endpoint in model.endpoints}),
            "fallbacks": {endpoint.value: model.name for endpoint, model in policy.fallbacks.items()},
            "models": [_describe(model) for model in policy.models.values()],
        }


def _describe(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "provider": model.provider,
        "tier": model.tier.label,
        "input": model.price.input,
        "output": model.price.output,
    }


def _secret_names(written: object) -> frozenset[str]:
    """The secret headers, and what the policy calls them."""
    signals = written.get("signals") if isinstance(written, dict) else None
    headers = signals.get("headers") if isinstance(signals, dict) else None
    named = headers.items() if isinstance(headers, dict) else ()
    return _SECRET_HEADERS | {name for name, header in named if str(header).lower() in _SECRET_HEADERS}


def _hide(value: object, secret: frozenset[str], where: str = "") -> object:
    if isinstance(value, dict):
        names = secret if where in ("header", "headers") else frozenset[str]()
        return {
            key: _HIDDEN if key.lower() in names and not _is_name(below) else _hide(below, secret, key)
            for key, below in value.items()
        }
    if isinstance(value, list):
        return [_hide(each, secret, where) for each in value]
    return _SECRET.sub(_HIDDEN, value) if isinstance(value, str) else value


def _is_name(value: object) -> bool:
    """Of a header, which is no secret."""
    return isinstance(value, str) and value.lower() in _SECRET_HEADERS | {"any"}
