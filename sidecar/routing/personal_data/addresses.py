"""E-mail addresses: from each `@` the domain forwards, then the name before it backwards."""

import re
import unicodedata

from sidecar.routing.personal_data.characters import Piece

# Vowel signs and accents, which go with the letter before.
_SIGNS = "".join(each for each in map(chr, range(0x300, 0x10000)) if unicodedata.category(each).startswith("M"))

# Nothing that was read is given back within a label, so that the time is linear.
_LABEL = rf"[^\W_]++(?:[{_SIGNS}-]++[^\W_]++)*+[{_SIGNS}]*+\."
_LETTERS = rf"[^\W\d_]++(?:[{_SIGNS}]++[^\W\d_]*+)*+(?<!\..)"

# Groups say what is no address: a product of matrices, a@b.mT, and what goes on as a call or a path, a@b.dot(c),
# git@github.com:a/b.git.
_DOMAIN = re.compile(
    rf"@(?:{_LABEL})+(?:xn--[a-z0-9-]++|([a-z]++[A-Z][A-Za-z]*+(?![^\W\d_]|[{_SIGNS}]))|{_LETTERS})"
    r"((?=\(|:[A-Za-z0-9_~.-]{1,100}/))?"
)
_IMAGE = re.compile(r"@[1-4]x\.(?:png|jpe?g|gif|webp|svg|avif)")  # for screens of several resolutions
_LONGEST_IMAGE = len("@2x.jpeg")

# Backwards. The group is no name: what stands before the host of a URL.
_NAME = re.compile(rf"([^\s/?#@]*+//:)|[\w+{_SIGNS}-][\w.!#$%&'*+/=?^`{{|}}~{_SIGNS}-]*+")


def find_addresses(text: str, most: int) -> list[Piece | None]:
    """Each address, and None for what only looks like one; no more after the first `most`."""
    found: list[Piece | None] = []
    backwards = text[::-1]
    size = len(text)
    done = 0
    for domain in _DOMAIN.finditer(text):
        at, end = domain.span()
        name = _NAME.match(backwards, size - at, size - done)
        if name is None:
            continue
        if name.lastindex:
            done = at + 1
            found.append(None)
        else:
            done = end
            is_none = domain.lastindex or (end - at <= _LONGEST_IMAGE and _IMAGE.fullmatch(domain[0]))
            found.append(None if is_none else ("email", size - name.end(), end))
        if len(found) > most:
            break
    return found
