"""The hash of a policy: over what it decides, not over how it is written."""

import hashlib
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from sidecar.config.schema.policy_file import WrittenPolicy, WrittenRank
from sidecar.config.schema.signals import WrittenSearch
from sidecar.routing.policy import Policy

_DIGITS_OF_HALF = 8


def hash_meaning(policy: Policy, written: WrittenPolicy) -> str:
    """The same in every process. The order of models and rules is meant; that of other keys is not.

    The first half is the same for all policies that read the same of a request, whatever they make of it.
    """
    return _digest(_what_is_read(policy, written)) + _digest(_what_is_decided(policy, written))


def hash_of_reading(policy_hash: str) -> str:
    """The half that tells what a policy reads of a request."""
    return policy_hash[:_DIGITS_OF_HALF]


def _what_is_read(policy: Policy, written: WrittenPolicy) -> dict[str, object]:
    return {
        "headers": written.signals.headers,
        "keywords": _what_is_sought(written.signals.keywords),
        "patterns": _what_is_sought(written.signals.patterns),
        "parameters": policy.reader.parameters,
        "examples": policy.examples,
        "conversation_turns": policy.conversation_turns,
    }


def _what_is_sought(searches: Mapping[str, WrittenSearch]) -> dict[str, object]:
    return {name: {"any": frozenset(search.any), "in": search.in_} for name, search in searches.items()}


def _what_is_decided(policy: Policy, written: WrittenPolicy) -> dict[str, object]:
    return {
        **_what_is_read(policy, written),
        "models": list(policy.models.values()),
        "virtual_models": policy.virtual_models,
        "fallbacks": {endpoint.value: model.name for endpoint, model in policy.fallbacks.items()},
        "tier_rule": policy.tier_rule,
        "requirements": policy.requirements,
        "rules": policy.rules,
        "callers_may": policy.callers_may,
        "rank": [written.rank.cost, written.rank.quality, written.rank.latency]
        if isinstance(written.rank, WrittenRank)
        else [],
    }


def _digest(meaning: dict[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(_canonical(meaning))).hexdigest()[:_DIGITS_OF_HALF]


def _canonical(value: Any) -> Any:
    """As JSON in which nothing depends on chance: what has no order gets one."""
    if is_dataclass(value):
        members = {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}
        return {"is": type(value).__name__, **members}
    if isinstance(value, Mapping):
        return {str(key): _canonical(value[key]) for key in sorted(value)}
    if isinstance(value, AbstractSet):
        return sorted(map(_canonical, value))
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, ZoneInfo):
        return value.key
    return "inf" if value == math.inf else value
