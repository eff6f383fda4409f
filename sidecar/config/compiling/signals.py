"""`signals`: what the policy has read of each request."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.running import ReadHeader
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import Model
from sidecar.routing.signals import MAX_COST_HEADER, TIER_HEADER, SignalReader

_ASKING = {"set_tier": TIER_HEADER, "set_max_cost": MAX_COST_HEADER}

_List = TypeVar("_List", PhraseList, PatternList)


def compile_reader(names: Names, models: Iterable[Model]) -> SignalReader:
    """Reads what some rule or some model of the policy asks for."""
    written = names.written.signals
    return SignalReader(
        headers=written.headers,
        keywords=_compile_lists(names, PhraseList, ("signals", "keywords"), written.keywords),
        patterns=_compile_lists(names, PatternList, ("signals", "patterns"), written.patterns),
        parameters=frozenset[str]().union(*(model.unsupported for model in models)),
    )


def compile_read_headers(names: Names) -> tuple[ReadHeader, ...]:
    """Those of `signals.headers`, and those by which callers may ask for something."""
    written, line_of = names.written, names.document.line_of
    asked = [header for freedom, header in _ASKING.items() if freedom in written.callers_may]
    return (
        *(
            ReadHeader(header, f"signals.headers.{name}", line_of(("signals", "headers", name)))
            for name, header in written.signals.headers.items()
        ),
        *(ReadHeader(header, "callers_may", line_of(("callers_may",))) for header in asked),
    )


def _compile_lists(
    names: Names, make: Callable[[tuple[str, ...]], _List], loc: Loc, written: Mapping[str, tuple[str, ...]]
) -> dict[str, _List]:
    lists = {name: _compile_list(names, make, (*loc, name), texts) for name, texts in written.items()}
    return {name: each for name, each in lists.items() if each is not None}


def _compile_list(
    names: Names, make: Callable[[tuple[str, ...]], _List], loc: Loc, texts: tuple[str, ...]
) -> _List | None:
    """Each by itself first, so that the one that is wrong can be shown."""
    parts = [_try(names, make, (text,), (*loc, index)) for index, text in enumerate(texts)]
    return None if None in parts else _try(names, make, texts, loc)


def _try(names: Names, make: Callable[[tuple[str, ...]], _List], texts: tuple[str, ...], loc: Loc) -> _List | None:
    try:
        return make(texts)
    except ValueError as error:
        names.fault("bad-pattern", loc, str(error))
        return None
