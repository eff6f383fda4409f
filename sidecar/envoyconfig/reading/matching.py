"""Which requests Envoy's matchers match: strings, headers, paths, routes. None where the file alone cannot tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from sidecar.envoyconfig.reading.document import Node

# What a request must have beyond path and headers to match; an ordinary one has none of it.
_UNUSUAL = ("query_parameters", "cookies", "grpc", "connect_matcher")
# What depends on more than the request.
_UNKNOWABLE = ("runtime_fraction", "dynamic_metadata", "filter_state", "tls_context", "path_match_policy")


@dataclass(frozen=True, slots=True)
class Request:
    """An ordinary request: no query, only these headers."""

    path: str
    headers: Mapping[str, str]
    authority: str = ""
    method: str = "POST"

    def header(self, name: str) -> str | None:
        """The value of a header, or of a pseudo-header."""
        known = {":method": self.method, ":path": self.path, ":authority": self.authority, "host": self.authority}
        return known.get(name, self.headers.get(name))


def matches_string(matcher: Node, text: str) -> bool | None:
    """A StringMatcher."""
    if matcher.at("safe_regex").is_set:
        return matches_regex(matcher.at("safe_regex"), text)
    folded = matcher.at("ignore_case").flag() is True
    for name, test in (
        ("exact", str.__eq__),
        ("prefix", str.startswith),
        ("suffix", str.endswith),
        ("contains", str.__contains__),
    ):
        if matcher.at(name).is_set:
            pattern = matcher.at(name).text()
            return bool(test(text.lower(), pattern.lower()) if folded else test(text, pattern))
    return None


def matches_regex(matcher: Node, text: str) -> bool | None:
    """A RegexMatcher, which matches the whole text."""
    return full_match(matcher.at("regex").text(), text)


def full_match(pattern: str, text: str) -> bool | None:
    """Whether a regular expression matches the whole text; None if it is none."""
    try:
        return _compile(pattern).fullmatch(text) is not None
    except re2.error:
        return None


def substitute(pattern: str, template: str, text: str) -> str | None:
    """The text with every match replaced, as in a RegexMatchAndSubstitute; None if the expression is none."""
    try:
        return str(_compile(pattern).sub(template, text))
    except re2.error:
        return None


def matches_header(matcher: Node, request: Request) -> bool | None:
    """A HeaderMatcher."""
    value = request.header(matcher.at("name").text().lower())
    if value is None and matcher.at("treat_missing_header_as_empty").flag() is True:
        value = ""
    if matcher.at("present_match").is_set:
        found: bool | None = (value is not None) is (matcher.at("present_match").flag() is not False)
    elif value is None:
        return False  # an absent header matches nothing, and inverting does not change that
    else:
        found = _matches_value(matcher, value)
    return found if matcher.at("invert_match").flag() is not True or found is None else not found


def matches_path(match: Node, path: str) -> bool | None:
    """The path of a RouteMatch."""
    if match.at("safe_regex").is_set:
        return matches_regex(match.at("safe_regex"), path)
    is_exact_case = match.at("case_sensitive").flag() is not False
    for name, test in (("prefix", str.startswith), ("path", str.__eq__), ("path_separated_prefix", _is_below)):
        if match.at(name).is_set:
            wanted = match.at(name).text()
            return bool(test(path, wanted) if is_exact_case else test(path.lower(), wanted.lower()))
    return None


def matches_route(route: Node, request: Request) -> bool | None:
    """A Route."""
    match = route.at("match")
    if any(match.at(name).is_set for name in _UNUSUAL):
        return False
    found = [matches_path(match, request.path)]
    found += [matches_header(header, request) for header in match.at("headers").items()]
    found += [None for name in _UNKNOWABLE if match.at(name).is_set]
    return False if False in found else None if None in found else True


def find_route(routes: Iterable[Node], request: Request) -> Node | None:
    """The first route that takes the request for sure."""
    return next((route for route in routes if matches_route(route, request)), None)


def is_surely_unmatched(routes: Iterable[Node], request: Request) -> bool:
    """Whether no route can take the request, whatever else the matchers look at."""
    return all(matches_route(route, request) is False for route in routes)


def find_virtual_host(virtual_hosts: Iterable[Node], authority: str) -> Node | None:
    """The virtual host for a host name: the exact domain first, then the longest wildcard."""
    rated = [
        (_fit(domain.text().lower(), authority.lower()), -index, virtual_host)
        for index, virtual_host in enumerate(virtual_hosts)
        for domain in virtual_host.at("domains").items()
    ]
    best = max(rated, key=lambda it: it[:2], default=None)
    return best[2] if best is not None and best[0] > 0 else None


def _fit(domain: str, authority: str) -> int:
    if domain == authority:
        return 10_000
    if domain == "*":
        return 1
    if domain.startswith("*") and authority.endswith(domain[1:]):
        return 1_000 + len(domain)
    if domain.endswith("*") and authority.startswith(domain[:-1]):
        return 1 + len(domain)
    return 0


def _matches_value(matcher: Node, value: str) -> bool | None:
    if matcher.at("string_match").is_set:
        return matches_string(matcher.at("string_match"), value)
    if matcher.at("safe_regex_match").is_set:
        return matches_regex(matcher.at("safe_regex_match"), value)
    for name, test in (
        ("exact_match", str.__eq__),
        ("prefix_match", str.startswith),
        ("suffix_match", str.endswith),
        ("contains_match", str.__contains__),
    ):
        if matcher.at(name).is_set:
            return bool(test(value, matcher.at(name).text()))
    return None if matcher.at("range_match").is_set else True  # no condition: it only has to be there


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    return re2.compile(pattern, options)
