"""What is read of requests, and the classifier that reads them."""

from collections import defaultdict
from collections.abc import Iterator

from sidecar.config.defaults import DEFAULT_INTENT_TIERS
from sidecar.config.document import suggest
from sidecar.config.doubts.subject import Subject
from sidecar.config.finding import Finding
from sidecar.config.model_card import ModelCardError, read_labels

# Headers that hold what no decision record may show.
_SECRETS = frozenset(("authorization", "cookie", "proxy-authorization", "x-api-key", "api-key"))


def find_repeated_keywords(subject: Subject) -> Iterator[Finding]:
    """In two lists, or twice in one."""
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for name, search in subject.written.signals.keywords.items():
        for index, phrase in enumerate(search.any):
            places[phrase.casefold()].append((name, index))
    for phrase, ((first, _), *others) in places.items():
        for name, index in others:
            message = f"{phrase!r} is in {first} too" if name != first else f"{phrase!r} is there twice"
            yield subject.doubt("keyword-repeated", ("signals", "keywords", name, "any", index), message)


def find_secret_headers(subject: Subject) -> Iterator[Finding]:
    """The value of a header is written down with every decision."""
    for name, header in subject.written.signals.headers.items():
        if header in _SECRETS:
            message = f"{header} holds a secret, and every decision record would show it"
            yield subject.doubt("header-secret", ("signals", "headers", name), message)


def find_unusable_model_folder(subject: Subject) -> Iterator[Finding]:
    """It may be another one where the server runs."""
    folder = subject.config.classifier.model_folder
    if folder is None:
        return
    if not folder.is_dir():
        yield subject.doubt("model-folder-missing", ("classifier", "model"), f"there is no folder {folder} here")
        return
    try:
        read_labels(folder)
    except ModelCardError as error:
        yield subject.doubt("model-folder-unreadable", ("classifier", "model"), str(error))


def find_unknown_intents(subject: Subject) -> Iterator[Finding]:
    """A tier for an intent that nothing tells; one for a built-in intent may stay when the model is another."""
    folder = subject.config.classifier.model_folder
    try:
        labels = read_labels(folder) if folder is not None else ()
    except ModelCardError:
        return
    known = {*labels, *DEFAULT_INTENT_TIERS, *(example.name for example in subject.policy.examples)}
    for intent in subject.written.intents:
        if intent not in known:
            message = f"the classifier knows no intent {intent!r}{suggest(intent, known)}"
            yield subject.doubt("intent-unknown", ("intents", intent), message)
