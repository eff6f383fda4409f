"""`when`: from what is written to conditions that hold or don't."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.schema.conditions import ANY, NONE, Between, FractionBetween, TimeWindow, When
from sidecar.config.schema.signals import REQUEST, WrittenSearch
from sidecar.routing.conditions import (
    DAYS,
    AllOf,
    Amount,
    AmountWithin,
    AnyOf,
    Condition,
    Flag,
    FlagIs,
    HeaderIs,
    IntentIn,
    InTime,
    NameSet,
    NamesFound,
    Not,
    PathIn,
    PersonalDataFound,
    ReadingWithin,
    Word,
    WordIn,
)

ALWAYS = AllOf(())

_Compile = Callable[[Any, Loc, Names], Condition]


def compile_when(when: When | None, loc: Loc, names: Names) -> Condition:
    """All that is written has to hold; nothing written always holds."""
    if when is None:
        return ALWAYS
    conditions = [
        compile_(getattr(when, field), (*loc, field.rstrip("_")), names)
        for field, compile_ in _COMPILERS.items()
        if field in when.model_fields_set
    ]
    return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def keys_that_classify(when: When | None, loc: Loc) -> Iterator[Loc]:
    """Where it asks for what only a classification tells."""
    if when is None:
        return
    for key in ("intent", "difficulty", "confidence"):
        if key in when.model_fields_set:
            yield (*loc, key)
    for key, inner in (("all", when.all), ("any", when.any)):
        for index, each in enumerate(inner or ()):
            yield from keys_that_classify(each, (*loc, key, index))
    yield from keys_that_classify(when.not_, (*loc, "not"))


def _all(whens: tuple[When, ...], loc: Loc, names: Names) -> Condition:
    return AllOf(tuple(compile_when(when, (*loc, index), names) for index, when in enumerate(whens)))


def _any(whens: tuple[When, ...], loc: Loc, names: Names) -> Condition:
    return AnyOf(tuple(compile_when(when, (*loc, index), names) for index, when in enumerate(whens)))


def _not(when: When, loc: Loc, names: Names) -> Condition:
    return Not(compile_when(when, loc, names))


def _model(asked_for: tuple[str, ...], loc: Loc, names: Names) -> Condition:
    names.check_all("model or virtual model", asked_for, loc)
    return WordIn("model", frozenset(asked_for))


def _word(word: Word) -> _Compile:
    return lambda words, loc, names: WordIn(word, frozenset(map(str, words)))


def _path(paths: tuple[str, ...], loc: Loc, names: Names) -> Condition:
    return PathIn(paths)


def _header(headers: Mapping[str, str | tuple[str, ...]], loc: Loc, names: Names) -> Condition:
    conditions = []
    for name, value in headers.items():
        names.check("header", name, (*loc, name))
        conditions.append(_header_is(name, value))
    return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _header_is(name: str, value: str | tuple[str, ...]) -> Condition:
    if value == ANY:
        return HeaderIs(name, None)
    if value == NONE:
        return Not(HeaderIs(name, None))
    return HeaderIs(name, frozenset((value,) if isinstance(value, str) else value))


def _amount(amount: Amount) -> _Compile:
    def compile_amount(between: bool | Between, loc: Loc, names: Names) -> Condition:
        if isinstance(between, bool):
            return AmountWithin(amount, 1, math.inf) if between else AmountWithin(amount, 0, 0)
        return AmountWithin(amount, between.min or 0, math.inf if between.max is None else between.max)

    return compile_amount


def _flag(flag: Flag) -> _Compile:
    return lambda value, loc, names: FlagIs(flag, value)


def _found(kind: NameSet, what: str) -> _Compile:
    def compile_found(wanted: tuple[str, ...], loc: Loc, names: Names) -> Condition:
        names.check_all(what, wanted, loc)
        written: Mapping[str, WrittenSearch] = getattr(names.written.signals, kind)
        everywhere = frozenset(name for name in wanted if name in written and written[name].in_ == REQUEST)
        parts = ((frozenset(wanted) - everywhere, False), (everywhere, True))
        conditions = [NamesFound(kind, found, in_request=in_request) for found, in_request in parts if found]
        return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))

    return compile_found


def _personal_data(kinds: tuple[str, ...], loc: Loc, names: Names) -> Condition:
    if kinds == (ANY,):
        return PersonalDataFound(None)
    return Not(PersonalDataFound(None)) if kinds == (NONE,) else PersonalDataFound(frozenset(kinds))


def _time(window: TimeWindow, loc: Loc, names: Names) -> Condition:
    return InTime(frozenset(map(DAYS.index, window.days)), window.from_, window.to, window.zone)


def _intent(intents: tuple[str, ...], loc: Loc, names: Names) -> Condition:
    names.check_intents(intents, loc)
    return IntentIn(frozenset(intents))


def _difficulty(between: FractionBetween, loc: Loc, names: Names) -> Condition:
    return ReadingWithin("difficulty", between.min or 0.0, 1.0 if between.max is None else between.max)


def _confidence(between: FractionBetween, loc: Loc, names: Names) -> Condition:
    return ReadingWithin("confidence", between.min or 0.0, 1.0 if between.max is None else between.max)


# By attribute, which is the key in the file; those that Python or pydantic has a use for end in _.
_COMPILERS: Mapping[str, _Compile] = {
    "all": _all,
    "any": _any,
    "not_": _not,
    "model": _model,
    "endpoint": _word("endpoint"),
    "path": _path,
    "header": _header,
    "input_tokens": _amount("input_tokens"),
    "max_output_tokens": _amount("max_output_tokens"),
    "turns": _amount("turns"),
    "tools": _amount("tools"),
    "images": _amount("images"),
    "code_fences": _amount("code_fences"),
    "json_": _flag("json"),
    "stream": _flag("stream"),
    "language": _word("language"),
    "script": _word("script"),
    "keywords": _found("keywords", "keyword list"),
    "patterns": _found("patterns", "pattern"),
    "personal_data": _personal_data,
    "time": _time,
    "intent": _intent,
    "difficulty": _difficulty,
    "confidence": _confidence,
}
