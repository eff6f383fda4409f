"""Finding and replacing a member of a JSON object, byte by byte."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.body import Edit, edit_body, parse_members, replace_lone_surrogates, replace_value
from sidecar.routing.reason import Reason
from sidecar.routing.rejection import RejectedError
from tests.fakes.json_text import WrittenObject, written_objects
from tests.fakes.properties import examples

_NAMES = st.lists(st.text(max_size=6), max_size=5)
_WITH_MODEL = st.lists(st.text(max_size=6).filter(lambda name: name != "model"), max_size=5).flatmap(
    lambda names: st.permutations([*names, "model"])
)


@given(written_objects(_NAMES))
@examples(150)
def test_every_member_is_found_where_it_stands(written: WrittenObject) -> None:
    members = parse_members(written.text)

    assert [member.name for member in members] == [member.name for member in written.members]
    for member, expected in zip(members, written.members, strict=True):
        assert (member.start, written.text[member.start : member.end]) == (expected.start, expected.value)
        assert bytes(member.value) == expected.value
        assert member.escaped == ("\\" in expected.name_as_written)


@given(written_objects(_WITH_MODEL), st.text(max_size=20))
@examples(150)
def test_replacing_a_value_leaves_every_other_byte_as_it_was(written: WrittenObject, model: str) -> None:
    index = [member.name for member in written.members].index("model")
    old = written.members[index]

    replaced = edit_body(written.text, [replace_value(parse_members(written.text)[index], model)])

    assert json.loads(replaced)["model"] == model
    assert replaced.startswith(written.text[: old.start])
    assert replaced.endswith(written.text[old.start + len(old.value) :])
    new = replaced[old.start : len(replaced) - len(written.text) + old.start + len(old.value)]
    assert json.loads(new) == model


@given(written_objects(_WITH_MODEL), st.text(max_size=20))
@examples(50)
def test_a_replaced_value_is_found_again(written: WrittenObject, model: str) -> None:
    before = parse_members(written.text)
    member = next(member for member in before if member.name == "model")

    after = parse_members(edit_body(written.text, [replace_value(member, model)]))

    assert [member.name for member in after] == [member.name for member in before]
    assert [bytes(m.value) for m in after if m.name != "model"] == [
        bytes(m.value) for m in before if m.name != "model"
    ]


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=5), st.binary(max_size=5), st.binary(max_size=5)), max_size=5),
    st.randoms(use_true_random=False),
)
@examples(150)
def test_edits_leave_every_other_byte_as_it_was(parts: list[tuple[bytes, bytes, bytes]], chance: Random) -> None:
    body, expected, edits = b"", b"", []
    for kept, old, new in parts:
        body += kept
        edits.append(Edit(len(body), len(body) + len(old), new))
        body += old
        expected += kept + new
    chance.shuffle(edits)

    assert edit_body(body, edits) == expected


def test_duplicates_are_all_there_in_order() -> None:
    members = parse_members(rb'{"a":1,"\u0061":2,"b":3,"a":{"a":4}}')

    assert [(member.name, member.escaped, bytes(member.value)) for member in members] == [
        ("a", False, b"1"),
        ("a", True, b"2"),
        ("b", False, b"3"),
        ("a", False, b'{"a":4}'),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "request body is not valid JSON: "),
        (b" \n", "request body is not valid JSON: "),
        (b"[]", "request body: Expected `object`, got `array`"),
        (b'["model"]', "request body: Expected `object`, got `array`"),
        (b'"model"', "request body: Expected `object`, got `str`"),
        (b"null", "request body: Expected `object`, got `null`"),
        (b"7", "request body: Expected `object`, got `int`"),
        (b"hello", "request body is not valid JSON: "),
        (b"not json", "request body is not valid JSON: "),
        (b"{", "request body is not valid JSON: "),
        (b'{"model"', "request body is not valid JSON: "),
        (b'{"model":', "request body is not valid JSON: "),
        (b'{"model":"a"', "request body is not valid JSON: "),
        (b'{"model":"a",}', "request body is not valid JSON: "),
        (b"{model:1}", "request body is not valid JSON: "),
        (b"{'model':1}", "request body is not valid JSON: "),
        (b"{1:1}", "request body is not valid JSON: "),
        (b'{"a":NaN}', "request body is not valid JSON: "),
        (b'{"a":-Infinity}', "request body is not valid JSON: "),
        (b'{"a":01}', "request body is not valid JSON: "),
        (b'{"a":tru}', "request body is not valid JSON: "),
        (b'{"a":"\x01"}', "request body is not valid JSON: "),
        (rb'{"a":"\x41"}', "request body is not valid JSON: "),
        (b'{"a":1}{"a":2}', "request body is not valid JSON: "),
        (b'{"a":1}\x00', "request body is not valid JSON: "),
        (b'{"a":1} // comment', "request body is not valid JSON: "),
        (b'\xef\xbb\xbf{"a":1}', "request body is not valid JSON: "),
        ('{"a":1}'.encode("utf-16"), "request body is not valid JSON: "),
        (b'{"\xff":1}', "request body is not valid JSON: "),
        (b'{"\xff\\ud800":1}', "request body is not valid JSON: "),
        (b'{"a":' * 100_000, "request body is nested too deeply"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "request body is nested too deeply"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_what_is_not_one_json_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(RejectedError) as refused:
        parse_members(body)

    assert refused.value.message.startswith(message)
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert refused.value.status == 400


@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8 mode1l', max_size=60).map(str.encode))
@examples(400)
def test_any_bytes_are_members_or_refused(body: bytes) -> None:
    try:
        members = parse_members(body)
    except RejectedError:
        return
    for member in members:
        assert body[: member.start].rstrip().endswith(b":")
        json.loads(b"".join((b"[", bytes(member.value).decode("utf-8", "replace").encode(), b"]")))


@pytest.mark.parametrize(
    ("written", "readable"),
    [
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\udE00 x"', rb'"\ufffd x"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\u0041\n"', rb'"\u0041\n"'),
    ],
)
def test_only_halves_of_surrogate_pairs_are_replaced(written: bytes, readable: bytes) -> None:
    assert replace_lone_surrogates(written) == readable
    json.loads(readable).encode()  # text that UTF-8 can hold


def test_members_around_a_lone_surrogate_are_found_in_the_body_as_sent() -> None:
    body = rb'{"\ud800":"\udc00","model":"auto","user":"cut \ud83d"}'
    model = parse_members(body)[1]

    edited = edit_body(body, [replace_value(model, "gpt")])

    assert edited == rb'{"\ud800":"\udc00","model":"gpt","user":"cut \ud83d"}'


def test_what_a_member_holds_is_not_counted() -> None:
    objects = b"[" + b"{}," * 300_000 + b"{}]"

    assert [bytes(member.value) for member in parse_members(b'{"a":' + objects + b"}")] == [objects]


def test_an_object_of_a_thousand_members_is_read_and_one_more_is_too_many() -> None:
    assert len(parse_members(b'{"a":1' + b',"a":1' * 999 + b"}")) == 1_000
    with pytest.raises(RejectedError, match="more than 1000 members"):
        parse_members(b'{"a":1' + b',"a":1' * 1_000 + b"}")


def test_a_name_that_no_request_has_is_refused_before_it_costs_anything() -> None:
    with pytest.raises(RejectedError, match="a name of more than 1000 characters"):
        parse_members(b'{"model":"auto","' + rb"\n" * 1_001 + b'":1}')

    assert len(parse_members(b'{"' + b"n" * 1_000 + b'":1}')) == 1


def test_half_an_emoji_is_looked_for_in_bodies_up_to_4_mebibytes() -> None:
    half = rb'{"a":"\ud83d","b":"%s"}'

    assert len(parse_members(half % (b"x" * 4_000_000))) == 2
    with pytest.raises(RejectedError, match="not valid JSON"):
        parse_members(half % (b"x" * 5_000_000))
