"""What is read of requests, and the classifier that reads them."""

from collections import defaultdict
from collections.abc import Iterator

from sidecar.config.doubts.subject import Subject
from sidecar.config.finding import Finding

# Headers that hold what no decision record may show.
_SECRETS = frozenset(("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"))


def find_repeated_keywords(subject: Subject) -> Iterator[Finding]:
    """In two lists, or twice in one."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, phrases in subject.written.signals.keywords.items():
        for index, phrase in enumerate(phrases):
            places[phrase.casefold()].append((name, index))
    for phrase, ((first, _), *others) in places.items():
        for name, index in others:
            message = f"{phrase!r} is in {first} too" if name != first else f"{phrase!r} is there twice"
            yield subject.doubt("keyword-repeated", ("signals", "keywords", name, index), message)


def find_secret_headers(subject: Subject) -> Iterator[Finding]:
    """The value of a header is written down with every decision."""
    for name, header in subject.written.signals.headers.items():
        if header in _SECRETS:
            message = f"{header} holds a secret, and every decision record would show it"
            yield subject.doubt("header-secret", ("signals", "headers", name), message)


def find_missing_model_folder(subject: Subject) -> Iterator[Finding]:
    """It may be there where the server runs."""
    folder = subject.config.classifier.model_folder
    if folder is not None and not folder.is_dir():
        yield subject.doubt("model-folder-missing", ("classifier", "model"), f"there is no folder {folder} here")
