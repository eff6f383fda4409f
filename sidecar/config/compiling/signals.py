"""`signals`: what the policy has read of each request."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.config.running import ReadHeader
from sidecar.config.schema.signals import REQUEST, WrittenSearch
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import Model
from sidecar.routing.request_search import RequestSearch
from sidecar.routing.signals import MAX_COST_HEADER, TIER_HEADER, SignalReader

_ASKING = {"set_tier": TIER_HEADER, "set_max_cost": MAX_COST_HEADER}

_List = TypeVar("_List", PhraseList, PatternList)


def compile_reader(names: Names, models: Iterable[Model]) -> SignalReader:
    """Reads what some rule or some model of the policy asks for."""
    written = names.written.signals
    return SignalReader(
        headers=written.headers,
        keywords=_compile_lists(names, PhraseList, "keywords", written.keywords, in_request=False),
        patterns=_compile_lists(names, PatternList, "patterns", written.patterns, in_request=False),
        parameters=frozenset[str]().union(*(model.unsupported for model in models)),
    )


def compile_search(names: Names) -> RequestSearch:
    """The lists that are looked for in all of a request."""
    written = names.written.signals
    return RequestSearch(
        keywords=_compile_lists(names, PhraseList, "keywords", written.keywords, in_request=True),
        patterns=_compile_lists(names, PatternList, "patterns", written.patterns, in_request=True),
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
    names: Names,
    make: Callable[[tuple[str, ...]], _List],
    key: str,
    written: Mapping[str, WrittenSearch],
    *,
    in_request: bool,
) -> dict[str, _List]:
    lists = {
        name: _compile_list(names, make, ("signals", key, name), search.any)
        for name, search in written.items()
        if (search.in_ == REQUEST) is in_request
    }
    return {name: each for name, each in lists.items() if each is not None}


def _compile_list(
    names: Names, make: Callable[[tuple[str, ...]], _List], loc: Loc, texts: tuple[str, ...]
) -> _List | None:
    """Each text by itself first, so that the one that is wrong can be shown."""
    parts = [_try(names, make, (text,), (*loc, "any", index)) for index, text in enumerate(texts)]
    return None if None in parts else _try(names, make, texts, loc)


def _try(names: Names, make: Callable[[tuple[str, ...]], _List], texts: tuple[str, ...], loc: Loc) -> _List | None:
    try:
        return make(texts)
    except ValueError as error:
        names.fault("bad-pattern", loc, str(error))
        return None
