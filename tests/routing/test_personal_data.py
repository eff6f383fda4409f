"""What is found of personal data, and what only looks like it."""

# ruff: noqa: RUF001  digits and marks of other scripts are what some rows are about

import random
import sys
from collections import Counter
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.routing.personal_data import KINDS, PersonalData, blot_out, find_personal_data
from tests.fakes.properties import examples


def found(text: str) -> dict[str, int]:
    return find_personal_data(text).counts


@pytest.mark.parametrize(
    "text",
    [
        "bob@example.com",
        "Write to Bob <bob.o'neil+news@mail.example.co.uk>.",
        "mailto:BOB@EXAMPLE.COM?subject=hi",
        "https://shop.example/?email=bob@example.com",
        "(bob_1@sub-domain.example.org)",
        "**bob@example.com**,",
        "我的邮箱是bob@example.com谢谢",
        "почта: иван@пример.рф",
        "jürgen@müller.de",
        "user@xn--bcher-kva.xn--p1ai",
        "0612345678@example.com",
        '{"to":"bob@163.com"}',
        "git@github.com is also an address",
    ],
)
def test_an_email_address_is_found(text: str) -> None:
    assert found(text) == {"email": 1}


@pytest.mark.parametrize(
    "text",
    [
        "@app.route('/users')",
        "follow @bob on the usual site",
        "user@localhost",
        "5 apples @ 3.50 each, 12@4.50",
        "git clone git@github.com:acme/router.git",
        "postgres://app:secret@db.example.com:5432/main",
        "ssh://git@code.example.com/acme/router",
        "npm install lodash@4.17.21 @types/node@18.0.0",
        "<img src='logo@2x.png'>",
        "q@k.mT * scale",
        "x@w.transpose(0, 1)",
        "a@b",
        "bob at example dot com",
        "@@@@@.com",
        "admin@192.168.0.1",
    ],
)
def test_not_every_at_sign_is_an_email_address(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        # with a country code
        "+4915112345678",
        "+49 30 1234567",
        "+49 (0)30 123456-78",
        "+1 (212) 555-0123",
        "+1.212.555.0123",
        "+44 20 7946 0958",
        "(+44) 7700 900123",
        "+33 6 12 34 56 78",
        "+86 138-0013-8000",
        "+7 (912) 345-67-89",
        "+91-98765-43210",
        "+55 11 91234-5678",
        "+354 555 1234",
        "+65 6123 4567",
        "Call\u202a+20 100 123 4567\u202c today",
        "+81\u00a03\u20111234\u20115678",
        "＋49 30 1234567",
        "+966 ٥٠ ١٢٣ ٤٥٦٧",
        "00 49 30 1234567",
        "0031 6 5550 1177",
        "name,+33612345678,42",
        # in a country's own way
        "(212) 555-0123",
        "212-555-0123",
        "212.555.0123",
        "1-800-555-0199",
        "212-555-0123x567",
        "020 7946 0958",
        "01632 960 118",
        "(020) 7946 0958",
        "07700 900123",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "030/1234567",
        "030 / 123 45 67",
        "0151-12345678",
        "0151 123 45 678",
        "070-123 45 67",
        "079 123 45 67",
        "06-12345678",
        "612 34 56 78",
        "91 123 45 67",
        "(11) 91234-5678",
        "11 91234-5678",
        "090-1234-5678",
        "電話(03-1234-5678)",
        "010-1234-5678입니다",
        "138 0013 8000",
        "（010）12345678",
        "8 (912) 345-67-89",
        "8 921 5550178",
        "0812-3456-7890",
        "0532 123 45 67",
        "0412 345 678",
        "050-123-4567",
        "2024-05-01 212-555-0123",
        "1) 212-555-0123",
        # plainly, where the text speaks of a phone
        "tel:0612345678",
        "Mobile: 2125550123",
        "手机号13800138000",
        "मोबाइल: 9876543210",
        "رقم الجوال 0551234567",
        "тел. 9123456789",
        "Telefonnummer 512 345 678",
        "call me at 98765 43210",
        "https://wa.me/33612345678",
    ],
)
def test_a_phone_number_is_found(text: str) -> None:
    assert found(text) == {"phone": 1}


@pytest.mark.parametrize(
    "text",
    [
        # plain numbers
        "2125550123",
        "1234567890123",
        "13800138000",
        "0012345678",
        "order 512 345 678",
        "1 234 567 890",
        "+1,234,567.89",
        "+12345678",
        "a+4915112345678",
        "profit of +12 345 678 dollars",
        "12345678901234567890",
        "0.123456789",
        "3.14159265358979",
        "1714567890",
        # dates, times, versions
        "2024-05-01 12:30:00.123",
        "+2024-05-01 12:30 in a diff",
        "01.02.2024 12.30",
        "05/11/2024 1234",
        "2024-05-01 - 2024-06-30",
        "20240501-123456",
        "release 1.2.3-20240501.1234",
        # prices and figures
        "$1,234,567.89",
        "1.234.567.890 €",
        "1 871 / 1 524 / 2 045 / 1 388",
        "010 020 030 040 050",
        "0101 0101 0101",
        "01 02 03 04 05 06 07",
        "8.00-18.30 16.00-20.00",
        "1000 - 2000 - 3000",
        # addresses of machines, ids
        "192.168.100.200",
        "010.020.030.040",
        "10.20.36.0/22",
        "01-23-45-67-89-10",
        "01-23-45-67-89-ab",
        "550e8400-e29b-41d4-a716-446655440000",
        "12345678-1234-1234-1234-123456789012",
        "a1b2c3d4-0123-4567-8901-234567890abc",
        "0x0123456789",
        "deadbeef0612345678",
        "ISBN 978-3-16-148410-0, 0-306-40615-2",
        "invoice RE-0123-456-7890",
        "https://shop.example/item/0612-345-678",
        "0612-345-678.pdf",
        "(2019) 12 345-678",
        "[-122.4194155, 37.7749295]",
    ],
)
def test_not_every_number_is_a_phone_number(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111",
        "card 4111 1111 1111 1111, please",
        "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "5555555555554444",
        "2223 0031 2200 3222",
        "3782 822463 10005",
        "378282246310005",
        "6011111111111117",
        "3056 930902 5904",
        "3530111333300000",
        "6200000000000005",
        "4111 1111 1111 1111 12/26 123",
        "4111111111111111 12/26",
        "2024-05-01 4111111111111111",
        "カード番号４１１１１１１１１１１１１１１１",
        "card=4111111111111111&cvc=123",
    ],
)
def test_a_payment_card_is_found(text: str) -> None:
    assert found(text) == {"card": 1}


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "4111 1111 1111 1112",
        "9111111111111111",
        "41111111 11111111",
        "4111.1111.1111.1111",
        "0.4111111111111111",
        "4111111111111111.50",
        "x4111111111111111",
        "411111111111111",
        "41111111111111110000",
        "4006381333931",  # an article number
        "1714567890123",
    ],
)
def test_not_every_long_number_is_a_payment_card(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013000",
        "IBAN: DE89 3704 0044 0532 0130 00.",
        "de89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NO93 8601 1117 947",
        "BE68 5390 0754 7034 from Anna",
        "NL91-ABNA-0417-1643-00",
        "IT60X0542811101000000123456",
        "CH9300762011623852957",
        "PL61109010140000071219812874",
        "BR1800360305000010009795493C1",
        "MT84MALT011000012345MTLCAST001S",
        "TR330006100519786457841326",
        "账号DE89370400440532013000。",
    ],
)
def test_an_iban_is_found(text: str) -> None:
    assert found(text) == {"iban": 1}


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013001",
        "DE8937040044053201300",
        "DE893704004405320130000",
        "XX89370400440532013000",
        "DE12 2024 figures",
        "the model GB29 is out",
    ],
)
def test_an_iban_needs_its_country_s_length_and_its_check_digits(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "SSN 123-45-6789",
        "my social security number is 123456789",
        "NINO AB123456C",
        "AB 12 34 56 C",
        "DNI 12345678Z",
        "12.345.678-Z",
        "NIE X1234567L",
        "X-1234567-L",
        "RSSMRA85T10A562S",
        "codice fiscale rssmra 85t10 a562s",
        "2 55 08 14 168 025 38",
        "255081416802538",
        "2 94 03 2A 004 003 41",
        "Steuer-ID 86095742719",
        "86 095 742 719",
        "PESEL: 44051401359",
        "CPF 529.982.247-25",
        "529.982.247-25",
        "cpf 52998224725",
        "BSN 111222333",
        "burgerservicenummer: 1112.22.333",
        "身份证号11010519491231002X",
        "11010519491231002x",
    ],
)
def test_a_national_id_is_found(text: str) -> None:
    assert found(text) == {"national_id": 1}


@pytest.mark.parametrize(
    "text",
    [
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "123-00-4567",
        "123-45-0000",
        "078-05-1120",
        "123 45 6789",
        "123456789",
        "BG123456C",
        "AB123456E",
        "QQ123456C",
        "12345678A",
        "X1234567A",
        "A12345678Z",
        "RSSMRA85T10A562T",
        "255081416802539",
        "86095742710",
        "11111111111",
        "44051401359",  # without its name
        "PESEL 44051401358",
        "529.982.247-26",
        "111.111.111-11",
        "111222333",
        "BSN 111222334",
        "110105194912310021",
        "110105194913310020",
        "16777216K 10485760B",
    ],
)
def test_a_national_id_needs_its_structure_its_check_characters_and_sometimes_its_name(text: str) -> None:
    assert found(text) == {}


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", {}),
        ("Bob lives at 12 High Street and is 42.", {}),
        ("bob@example.com, eve@example.com", {"email": 2}),
        ("212-555-0123 212-555-0124", {"phone": 2}),
        ("0151 12345678 / 030 1234567", {"phone": 2}),
        ("4111 1111 1111 1111 5555 5555 5555 4444", {"card": 2}),
        ("BE68 5390 0754 7034 BE68 5390 0754 7034", {"iban": 2}),
        (
            "Bob, bob@example.com, +1 212 555 0123, 4111 1111 1111 1111, DE89370400440532013000, 123-45-6789",
            {"email": 1, "phone": 1, "card": 1, "iban": 1, "national_id": 1},
        ),
        ("\ud800 bob@example.com \udfff", {"email": 1}),
    ],
)
def test_each_piece_counts_once(text: str, counts: dict[str, int]) -> None:
    assert found(text) == counts


@pytest.mark.parametrize(
    ("text", "blotted"),
    [
        ("", ""),
        ("nothing of the sort", "nothing of the sort"),
        ("Write to Bob <bob@example.com>.", "Write to Bob <[email]>."),
        ("我的邮箱是bob@example.com谢谢。", "[email]。"),
        ("card 4111 1111 1111 1111, exp 12/30", "card [card], exp 12/30"),
        ("4111 1111 1111 1111 / 5500-0000-0000-0004", "[card] / [card]"),
        ("IBAN GB82 WEST 1234 5698 7654 32!", "IBAN [iban]!"),
        ("call +49 30 1234567 or (212) 555-0123", "call [phone] or [phone]"),
        ("2) 212-555-0124", "2) [phone]"),
        ("2024-05-01 +49 30 1234567", "2024-05-01 [phone]"),
        ("٠١٢ and ＋４９ ３０ １２３４５６７ で", "٠١٢ and [phone] で"),
        ("SSN 123-45-6789; é", "SSN [national_id]; é"),
        ("half an emoji \ud83d, bob@example.com", "half an emoji ?, [email]"),
    ],
)
def test_what_is_found_is_blotted_out_and_nothing_else(text: str, blotted: str) -> None:
    assert blot_out(text) == blotted


def test_a_long_list_of_numbers_is_blotted_out_to_its_end() -> None:
    phones = " / ".join(["212-555-0123"] * 50)

    blotted = blot_out(f"call {phones} now")

    assert "0123" not in blotted
    assert blotted.startswith("call [phone] / [phone]") and blotted.endswith("/ [phone] now")


@given(st.text() | st.text(alphabet="0123456789 -./()+@aA\n", max_size=200))
@examples(500)
def test_any_text_can_be_blotted(text: str) -> None:
    blotted = blot_out(text)
    found = find_personal_data(text).counts

    assert {kind: blotted.count(f"[{kind}]") for kind in found} == found
    if not found:
        assert blotted == text


_NUMBERS = (
    "4111111111111111",
    "5555 5555 5555 4444",
    "3782-822463-10005",
    "123-45-6789",
    "086 095 742 71",
    "86095742719",
    "529.982.247-25",
    "2 55 08 14 168 025 38",
    "110105 19491231 0028",
    "212-555-0123",
    "(212) 555-0123",
    "1-800-555-0199",
    "030 / 123 45 67",
    "06.12.34.56.78",
    "00 49 30 1234567",
    "+49 (0)30 123456-78",
    "8 (912) 345-67-89",
    "1) 138 0013 8000",
    "2024-05-01 612 34 56 78",
    "0151 12345678 / 030 1234567",
    "10.20.30.40 1234567890",
)


@st.composite
def _altered(draw: st.DrawFn) -> str:
    """A number that may be none any more, since one of its characters is another."""
    number = draw(st.sampled_from(_NUMBERS))
    place = draw(st.integers(0, len(number) - 1))
    return number[:place] + draw(st.sampled_from("0123456789 -./()+")) + number[place + 1 :]


_LINES = st.lists(
    st.sampled_from(_NUMBERS)
    | _altered()
    | st.text(alphabet="0123456789 -./()+", max_size=40)
    | st.sampled_from(["bob@example.com", "DE89370400440532013000", "AB123456C", "12345678Z", "x", "a@b."]),
    max_size=30,
)


@given(_LINES)
@examples(1_000)
def test_what_stands_on_other_lines_changes_nothing(lines: list[str]) -> None:
    """What is passed over at once, since others of its kind were nothing, is nothing by itself, too."""
    apart = sum((Counter(found(line)) for line in lines), Counter[str]())

    assert found("\n".join(lines)) == apart


@given(st.text(alphabet="0123456789 -./()+a@é，\n", max_size=80), st.text(alphabet="0 -./()+a@é，\n", max_size=40))
@examples(500)
def test_a_card_and_an_address_on_lines_of_their_own_are_always_found(before: str, after: str) -> None:
    counts = found(f"{before}\n4111 1111 1111 1111\nanna@example.org\n{after}")

    assert counts["card"] == found(before).get("card", 0) + 1
    assert counts["email"] == found(before).get("email", 0) + found(after).get("email", 0) + 1


def test_what_was_found_is_a_value_without_the_text() -> None:
    first, second = find_personal_data("bob@example.com"), find_personal_data("eve@example.com")

    assert first == second == PersonalData(email=1)
    assert hash(first) == hash(second)
    assert KINDS == ("email", "phone", "card", "iban", "national_id")


@given(st.text())
@examples(500)
def test_any_text_can_be_read(text: str) -> None:
    find_personal_data(text)


@given(st.text(alphabet="0123456789 -./()+@aA\n", max_size=200))
@examples(500)
def test_any_numbers_can_be_read(text: str) -> None:
    find_personal_data(text)


@given(st.integers(10**12, 10**19 - 1).map(str), st.sampled_from(["{}", "paid with {} today", "({})", "no. {}."]))
@examples(500)
def test_a_number_that_fails_luhn_is_never_a_card(number: str, sentence: str) -> None:
    doubled = [int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(number))]
    passes = sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0

    assert passes or find_personal_data(sentence.format(number)).card == 0


@given(st.integers(0, 10**10 - 1).map(str), st.sampled_from(["{}", "id {}", "{} rows", "a={};", "{}.5", "€{}"]))
@examples(500)
def test_a_plain_number_of_up_to_ten_digits_is_nothing(number: str, sentence: str) -> None:
    assert found(sentence.format(number)) == {}


@given(st.binary(min_size=16, max_size=32).map(bytes.hex))
@examples(500)
def test_a_hash_is_no_phone_number_and_no_card(digest: str) -> None:
    kinds = found(f"sha {digest}")

    assert "phone" not in kinds and ("card" not in kinds or digest.isdecimal())


def _mixed(alphabet: str, length: int) -> str:
    return "".join(random.Random(1).choices(alphabet, k=length))


_BYTES = 5_000_000


@pytest.mark.parametrize(
    "text",
    [
        "1" * _BYTES,
        "@" * _BYTES,
        "+" * _BYTES,
        "a" * _BYTES,
        "a@" * (_BYTES // 2),
        "a.b@" * (_BYTES // 4),
        "a@b.c" * (_BYTES // 5),
        "1 " * (_BYTES // 2),
        "1) " * (_BYTES // 3),
        "(" * _BYTES,
        "\ud800" * _BYTES,
        "123456789," * (_BYTES // 10),
        "4111 1111 1111 1112 " * (_BYTES // 20),
        "4111111111111112\n" * (_BYTES // 17),
        "DE89370400440532013001 " * (_BYTES // 23),
        "AB 12 34 56 E " * (_BYTES // 14),
        _mixed("0123456789 -.()+/\n", _BYTES),
        _mixed("ABDEX0123456789 -", _BYTES),
        _mixed("ab.@:/", _BYTES),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_hostile_text_ends(text: str) -> None:
    """Quadratic time would take hours here."""
    find_personal_data(text)


def test_a_text_that_was_searched_in_part_says_so() -> None:
    assert find_personal_data("4111111111111111\n" * 10_000).is_whole
    assert not find_personal_data("4111111111111111\n" * 10_001).is_whole
    assert not find_personal_data("a@b.cc " * 10_001).is_whole


@pytest.mark.parametrize("mark", [" ", "/"])
@pytest.mark.parametrize("before", range(500, 560))
def test_a_number_is_found_wherever_it_stands_in_a_long_list(before: int, mark: str) -> None:
    numbers = ["1"] * (before // 2) + ["12"] * (before % 2) + ["4111111111111111"] + ["7"] * 600

    assert "card" in found(mark.join(numbers))


def test_the_middle_of_a_long_number_is_no_number() -> None:
    assert found("9" * 397 + "4111111111111111" + "9" * 900) == {}
    assert found("1 " * 190 + "9" * 397 + "4111111111111111") == {}


@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\u2060\u200d"])
def test_what_is_not_seen_hides_nothing(unseen: str) -> None:
    assert found(f"4111{unseen}1111{unseen}1111{unseen}1111") == {"card": 1}
    assert found(f"an{unseen}na@exam{unseen}ple.org") == {"email": 1}
    assert found(f"card{unseen}4111 1111 1111 1111") == {"card": 1}


def test_full_width_forms_are_what_they_look_like() -> None:
    assert found("anna＠example．org") == {"email": 1}
    assert found("ＤＥ８９３７０４００４４０５３２０１３０００") == {"iban": 1}


def test_only_so_many_candidates_of_a_sort_are_checked() -> None:
    assert found("4111111111111111\n" * 20_000) == {"card": 10_000}
    assert found("bob@example.com " * 20_000 + "DE89370400440532013000") == {"email": 10_000, "iban": 1}


def test_work_grows_with_the_text_until_it_stops_growing() -> None:
    """Calls of our own functions, counted: exact where a clock would not be."""
    calls = [_calls("0151 1234567 x, " * count) for count in (1_000, 2_000, 20_000, 40_000)]

    assert calls[1] <= 2 * calls[0]
    assert calls[3] == calls[2]


@pytest.mark.parametrize(
    "line",
    [
        "1234567890\n",
        "2026-03-01 12:30:07,123 INFO 12 ms\n",
        "192.168.100.200 - - 10.20.30.40\n",
        "37.7749295,-122.4194155\n",
        "1234 567 89 0 12 345 6789\n",
        "550e8400-e29b-41d4-a716-446655440000\n",
        "b6d767d2f8ed5d21a44b0e5886680cb9\n",
        "call (a + b)\n",
    ],
)
def test_what_is_written_as_nothing_is_written_is_looked_at_once(line: str) -> None:
    assert _calls(line * 1_000) == _calls(line * 10)


def _calls(text: str) -> int:
    count = 0

    def count_call(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call" and "personal_data" in frame.f_code.co_filename

    sys.setprofile(count_call)
    try:
        find_personal_data(text)
    finally:
        sys.setprofile(None)
    return count
