"""JSON as clients may write it: any white space, any escapes, any nesting, and where each value of it stands."""

from dataclasses import dataclass

from hypothesis import strategies as st

_SPACE = st.text(" \t\r\n", max_size=3)
_NUMBERS = st.sampled_from(["0", "-0", "7", "-1.50", "1e3", "2.5E-07", "1E+300", "123456789012345678901234567890"])
_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True)
class WrittenMember:
    """One `"name": value` and the bytes of its value."""

    name: str
    name_as_written: str
    value: bytes
    start: int


@dataclass(frozen=True)
class WrittenObject:
    """A JSON object."""

    text: bytes
    members: tuple[WrittenMember, ...]


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


@st.composite
def written_strings(draw: st.DrawFn, text: str | None = None) -> str:
    """A string literal, each character written plainly or escaped in any way that JSON has."""
    if text is None:
        text = draw(st.text(max_size=8))
    written = ""
    for character in text:
        ways = [_escape(character), _escape(character).upper().replace("\\U", "\\u")]
        if character in _SHORT:
            ways.append(_SHORT[character])
        if character not in '"\\' and character >= " ":
            ways.append(character)
        written += draw(st.sampled_from(ways[::-1]))
    return f'"{written}"'


_Texts = st.SearchStrategy[str]
_SCALARS: _Texts = st.one_of(_NUMBERS, st.sampled_from(["true", "false", "null"]), written_strings())


def _members(values: _Texts) -> _Texts:
    return st.tuples(_SPACE, written_strings(), _SPACE, st.just(":"), _SPACE, values, _SPACE).map("".join)


def _nested(values: _Texts) -> _Texts:
    elements = st.tuples(_SPACE, values, _SPACE).map("".join)
    arrays = st.lists(elements, max_size=4).map(lambda texts: f"[{','.join(texts)}]")
    objects = st.lists(_members(values), max_size=4).map(lambda texts: f"{{{','.join(texts)}}}")
    return arrays | objects


written_values: _Texts = st.recursive(_SCALARS, _nested, max_leaves=12)
"""Any JSON value, as text."""


@st.composite
def written_objects(draw: st.DrawFn, names: st.SearchStrategy[list[str]]) -> WrittenObject:
    """An object with these members in any order, each name and value written in any way."""
    text = draw(_SPACE) + "{"
    members = []
    for index, name in enumerate(draw(names)):
        literal = '"model"' if name == "model" else draw(written_strings(name))
        text += ("," if index else "") + draw(_SPACE) + literal + draw(_SPACE) + ":" + draw(_SPACE)
        value = draw(written_values)
        members.append(WrittenMember(name, literal, value.encode(), len(text.encode())))
        text += value + draw(_SPACE)
    text += ("" if members else draw(_SPACE)) + "}" + draw(_SPACE)
    return WrittenObject(text.encode(), tuple(members))
