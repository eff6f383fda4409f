"""Label values that no client can multiply."""

import re

OTHER = "other"

_WORD = re.compile(r"[a-z0-9_.]{1,64}")


class Names:
    """The first so many names that come; all others are `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def bounded(self, name: str | None) -> str:
        """Empty for None."""
        if name is None or name in self._known:
            return name or ""
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


class Words:
    """Envoy's words for what went wrong, without the explanations that it puts in braces behind some."""

    def __init__(self, most: int) -> None:
        self._names = Names(most)

    def bounded(self, text: str | None) -> str:
        """Empty for None."""
        if text is None:
            return ""
        word = _WORD.match(text.lower())
        return self._names.bounded(word[0]) if word is not None else OTHER
