"""Everything that is worth saying of a policy file: what is wrong with it, and what is hardly meant."""

from collections.abc import Callable, Iterable
from datetime import date
from itertools import chain
from pathlib import Path

from sidecar.config.compile import compile_document, load_config
from sidecar.config.document import ConfigError, read_document
from sidecar.config.doubts.models import (
    find_deprecated_models,
    find_forbidden_fallbacks,
    find_models_never_first,
    find_weak_fallbacks,
)
from sidecar.config.doubts.rules import (
    find_choices_of_one_api,
    find_regions_of_no_model,
    find_requirements_in_rules,
    find_requirements_on_the_last_turn,
    find_untested_rules,
)
from sidecar.config.doubts.signals import (
    find_repeated_keywords,
    find_secret_headers,
    find_unknown_intents,
    find_unusable_model_folder,
)
from sidecar.config.doubts.subject import Subject
from sidecar.config.finding import Finding
from sidecar.config.told import validate

_DOUBTS: tuple[Callable[[Subject], Iterable[Finding]], ...] = (
    find_deprecated_models,
    find_models_never_first,
    find_weak_fallbacks,
    find_forbidden_fallbacks,
    find_repeated_keywords,
    find_secret_headers,
    find_requirements_in_rules,
    find_requirements_on_the_last_turn,
    find_regions_of_no_model,
    find_choices_of_one_api,
    find_unusable_model_folder,
    find_unknown_intents,
    find_untested_rules,
)


def check_policy(file: Path, today: date) -> list[Finding]:
    """All findings, as they stand in the file. A file with errors has no warnings yet."""
    try:
        document = read_document(file)
        written = validate(document)
        subject = Subject(document, written, compile_document(document, written), today)
    except ConfigError as error:
        return list(error.findings)
    found = chain.from_iterable(find(subject) for find in _DOUBTS)
    shadows = chain.from_iterable(map(_check_shadow, subject.config.shadow))
    return [*sorted(found, key=lambda finding: (finding.line, finding.column)), *shadows]


def _check_shadow(file: Path) -> Iterable[Finding]:
    """It has to load; whether it is wise is for whoever makes it the policy."""
    try:
        load_config(file)
    except ConfigError as error:
        return error.findings
    return ()
