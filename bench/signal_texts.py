"""Texts on which signals could take long: what people paste into prompts, and what nobody but an attacker would."""

import base64
import json
import random
from collections.abc import Callable, Iterator

_PROSE = "the service waited for an answer and wrote what it had seen into a table for others to read later"
_HAN = "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生"


class _Lines:
    """Makes lines of each kind."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._words = _PROSE.split()

    def prose(self) -> str:
        return " ".join(self._random.choices(self._words, k=12)).capitalize() + ". "

    def chinese(self) -> str:
        return "".join(self._random.choices(_HAN, k=16)) + "\uff0c"

    def code(self) -> str:
        name = self._random.choice(self._words)
        return f"def read_{name}(items: list[int]) -> int:\n    return items[{self._below(99)}] + self._{name}\n\n"

    def json(self) -> str:
        values = {"id": self._below(10**12), "at": self._time(), "price": self._random.random(), "uuid": self._uuid()}
        return json.dumps(values) + ",\n"

    def csv(self) -> str:
        return ",".join(str(self._below(10 ** self._random.randint(1, 12))) for _ in range(8)) + "\n"

    def table(self) -> str:
        return " ".join(str(self._below(10_000)) for _ in range(10)) + "\n"

    def web_log(self) -> str:
        return (
            f'{self._address()} - - [{self._time()}] "GET /orders/{self._below(10**9)} HTTP/1.1" 200 '
            f"{self._below(10**5)} {self._uuid()} {self._digits(13)}\n"
        )

    def service_log(self) -> str:
        return (
            f"{self._time()} INFO [{self._digits(10)}] request={self._digits(12)} user={self._below(10**9)} "
            f"took {self._random.random():.3f} ms from {self._address()}\n"
        )

    def addresses(self) -> str:
        return self._address() + " "

    def base64(self) -> str:
        return base64.b64encode(self._random.randbytes(57)).decode() + "\n"

    def hex_dump(self) -> str:
        return f"{self._below(2**31):08x}  {self._random.randbytes(16).hex(' ')}\n"

    def contacts(self) -> str:
        name = ".".join(self._random.choices(self._words, k=2))
        return (
            f"{name}@example.com\nPhone: +49 30 {self._digits(7)}, 212-555-{self._digits(4)}\n"
            f"IBAN: {_iban(self._digits(18))}\nCard: {_card(self._digits(14))}\n\n"
        )

    def emoji(self) -> str:
        return "".join(chr(self._random.randint(0x1F300, 0x1F64F)) for _ in range(8)) + " "

    def digits(self) -> str:
        return self._digits(100)

    def spaced_digits(self) -> str:
        return self._digits(1) + " "

    def at_signs(self) -> str:
        return "@"

    def broken_addresses(self) -> str:
        return "a@b."

    def broken_ibans(self) -> str:
        return f"DE{self._digits(20)} "

    def _below(self, end: int) -> int:
        return self._random.randrange(end)

    def _digits(self, count: int) -> str:
        return "".join(self._random.choices("0123456789", k=count))

    def _time(self) -> str:
        return (
            f"2026-{self._random.randint(1, 12):02}-{self._random.randint(1, 28):02} 12:{self._below(60):02}:07,123"
        )

    def _address(self) -> str:
        return ".".join(str(self._below(256)) for _ in range(4))

    def _uuid(self) -> str:
        hexadecimal = self._random.randbytes(16).hex()
        return "-".join(
            (hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:])
        )


def make_texts(size: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """What each is, and a text of that many bytes in UTF-8, or a few less."""
    lines = _Lines(seed)
    kinds: dict[str, Callable[[], str]] = {
        "English": lines.prose,
        "Chinese": lines.chinese,
        "Python": lines.code,
        "JSON": lines.json,
        "CSV of numbers": lines.csv,
        "a table of numbers": lines.table,
        "a web server's log": lines.web_log,
        "a service's log": lines.service_log,
        "IP addresses": lines.addresses,
        "base64": lines.base64,
        "a hex dump": lines.hex_dump,
        "contacts with cards and IBANs": lines.contacts,
        "emoji": lines.emoji,
        "digits": lines.digits,
        "digits and spaces": lines.spaced_digits,
        "@@@": lines.at_signs,
        "a@b.a@b.": lines.broken_addresses,
        "IBANs that are none": lines.broken_ibans,
    }
    for name, make in kinds.items():
        text = ""
        while len(text) < size:
            text += make()
        yield name, text.encode()[:size].decode("utf-8", "ignore")


def _iban(account: str) -> str:
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def _card(digits: str) -> str:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in f"4{digits}"[-1::-2])
    plain = sum(map(int, f"4{digits}"[-2::-2]))
    number = f"4{digits}{-(doubled + plain) % 10}"
    return " ".join(number[start : start + 4] for start in range(0, 16, 4))
