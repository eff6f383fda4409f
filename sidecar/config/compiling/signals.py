"""`signals`: what the policy has read of each request."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from sidecar.config.compiling.names import Names
from sidecar.config.document import Loc
from sidecar.routing.phrases import PatternList, PhraseList
from sidecar.routing.policy import Model
from sidecar.routing.signals import SignalReader

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
