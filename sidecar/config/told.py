"""What pydantic finds wrong, told in our words: where it stands, what stands there, what was expected."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sidecar.config.document import ConfigError, Document, Loc, closest, suggest
from sidecar.config.finding import Finding
from sidecar.config.kinds import KINDS
from sidecar.config.published import Schema, describe, either, one_of_these, schemas_at
from sidecar.config.schema.policy_file import WrittenPolicy
from sidecar.config.schema.values import UNTOLD

T = TypeVar("T", bound=BaseModel)

# Keys of earlier versions, and what became of them.
_MOVED: dict[Loc, str] = {("classifier", "cache_entries"): "`cache: {entries: …}`, a section of its own, says it"}

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def validate(document: Document) -> WrittenPolicy:
    """What the document says. Raises ConfigError with everything that is wrong with its form."""
    return validate_part(document, WrittenPolicy)


def validate_part(document: Document, schema: type[T]) -> T:
    """The same for a document that has only some of a policy's keys: those of `schema`."""
    try:
        return schema.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
    raise ConfigError(tuple(_in_order(_tell_all(document, details))))


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """As they stand in the file; at one place an unknown key says more than a missing one."""
    return sorted(findings, key=lambda finding: (finding.line, finding.column, finding.id == "key-missing"))


def _tell_all(document: Document, errors: Sequence[ErrorDetails]) -> Iterator[Finding]:
    misspelt = set()
    for error in errors:
        if error["type"] == "extra_forbidden":
            *parent, key = _loc(document, error)
            misspelt.add((*parent, closest(str(key), _known_keys(tuple(parent)))))
    for error in errors:
        loc, kind = _loc(document, error), error["type"]
        if kind == "missing":
            key = error["loc"][-1]
            if (*loc, key) not in misspelt:
                yield document.finding("key-missing", loc, f"{key!r} is missing", f"add `{key}: …`")
        elif kind == "too_short":
            yield from _too_few(document, loc, error["ctx"]["min_length"])
        elif kind == "extra_forbidden":
            yield _unknown_key(document, loc)
        else:
            yield _wrong_value(document, loc, error)


def _too_few(document: Document, loc: Loc, least: int) -> Iterator[Finding]:
    """Nothing if there are enough, but unsound ones: pydantic counts those that are left."""
    value = document.value(loc)
    if isinstance(value, list | dict) and len(value) < least:
        needed = "one is" if least == 1 else f"{least} are"
        yield document.finding("too-few", loc, f"at least {needed} needed")


def _wrong_value(document: Document, loc: Loc, error: ErrorDetails) -> Finding:
    if error["type"] not in KINDS:
        return _unexpected(document, loc, "wrong-kind")
    details = error["ctx"]
    at = document.existing((*loc, *details["at"]))
    if details["message"] == UNTOLD:
        return _unexpected(document, at, error["type"])
    return document.finding(error["type"], at, details["message"])


def _unknown_key(document: Document, loc: Loc) -> Finding:
    *parent, key = loc
    known = _known_keys(tuple(parent))
    moved = _MOVED.get(loc)
    if moved is not None:
        return document.finding("key-moved", loc, f"unknown key: {moved}")
    expected = f"expected {', '.join(known) or 'none'}"
    close = closest(str(key), known)
    fix = f"write `{close}`" if close else ""
    return document.finding("unknown-key", loc, f"unknown key{suggest(str(key), known)}; {expected}", fix)


def _known_keys(loc: Loc) -> list[str]:
    return [key for schema in schemas_at(loc) for key in schema.get("properties", {})]


def _unexpected(document: Document, loc: Loc, id_: str) -> Finding:
    """Told by the schema: what may stand there."""
    schemas = schemas_at(loc)
    value = document.value(loc)
    meant = [schema for schema in schemas if isinstance(value, _KINDS.get(schema.get("type", ""), ()))]
    words = list(dict.fromkeys(word for schema in meant for word in schema.get("enum", ())))
    if words:
        expected = either([one_of_these(words), *(describe(schema) for schema in schemas if "enum" not in schema)])
        message = f"unknown {value!r}{suggest(str(value), words)}; expected {expected}"
        close = closest(str(value), words)
        return document.finding("unknown-word", loc, message, f"write `{close}`" if close else "")
    expected = either(list(dict.fromkeys(describe(schema) for schema in meant or schemas)))
    found = document.describe(loc)
    # To YAML, 5 and no and 1.0 are not text.
    is_unquoted = isinstance(value, int | float) and any(_could_be(found.strip("'"), schema) for schema in schemas)
    hint = "; write it in quotes" if is_unquoted else ""
    return document.finding(id_, loc, f"expected {expected}, got {found}{hint}")


def _could_be(text: str, schema: Schema) -> bool:
    """Whether it is what stands there, or may well be."""
    return schema.get("type") == "string" and "pattern" not in schema and text in schema.get("enum", (text,))


def _loc(document: Document, error: ErrorDetails) -> Loc:
    """Of the value, without the tags of unions and the mark of a key that is itself wrong."""
    return document.existing(error["loc"])
