"""Settings: which values are taken, and what is said of the others."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.config.document import ConfigError
from sidecar.injection.pod import injection_status
from sidecar.injection.settings import (
    BUILT_IN,
    KEYS,
    InjectionError,
    load_defaults,
    locked_keys,
    read_settings,
)
from tests.fakes.properties import examples

PREFIX = "envoy-llm-sidecar.io/"

GOOD = {
    "policy": ["p", "my-policy", "a.b-c.d"],
    "keys": ["none", "team.keys"],
    "overlay": ["none", "edits.yaml", "_x"],
    "port": ["1024", "65535"],
    "admin-port": ["1024"],
    "http-port": ["8080"],
    "status-port": ["9000"],
    "bind": ["0.0.0.0", "[::]"],
    "image": [
        "sidecar",
        "a/b:1",
        "localhost:5000/a_b/c--d:V1.0",
        "r.example/a@sha256:" + "0" * 64,
        "a:1@sha256:" + "f" * 64,
    ],
    "envoy-image": ["docker.io/envoyproxy/envoy:distroless-v1.40.0"],
    "image-pull-policy": ["Always", "IfNotPresent", "Never"],
    "log-level": ["debug", "info", "warning", "error"],
    "cpu": ["1", "250m", "0.25", "0.5"],
    "memory": ["1", "64Mi", "0.25Gi", "100M"],
    "cpu-limit": ["1.5", "64"],
    "memory-limit": ["1Ti", "2G"],
    "envoy-cpu": ["1m"],
    "envoy-memory": ["1Ki"],
    "envoy-cpu-limit": ["0.5"],
    "envoy-memory-limit": ["1Gi"],
    "workers": ["1", "64"],
    "base-urls": ["true", "false"],
    "otlp": ["none", "collector:4317", "10.0.0.1:65535", "[fd00::1]:4317"],
    "console-token": ["none", "console"],
    "other-envoy": ["allowed", "refused"],
}

EVERYWHERE = ["", " ", "a\nb", "a b", "$(id)", "--out=/", "../x", "é", "٣", "1\n", "\x00", "\x1b[31m"]

BAD = {
    "policy": ["My-Policy", "a_b", "a..b", "-a", "a" * 254],
    "keys": ["a/b"],
    "overlay": ["..", "../../etc/passwd", "a/b", "a b"],
    "port": ["80", "1023", "65536", "010000", "1e4", "+10000", "10000.0", "٣٣٣٣"],
    "image": ["A", "a:", "a@sha256:0", "http://a", "a//b", "a/../b", "a" * 513],
    "image-pull-policy": ["always"],
    "log-level": ["trace", "WARNING", "warn"],
    "cpu": ["0", "-1", "1.2345", "1,5", "250M", "0.0", "1e1", "1Mi"],
    "memory": ["0", "256MB", "1m", "1.5", "0Mi", "1 Gi"],
    "workers": ["0", "65", "-1", "1.0"],
    "base-urls": ["True", "yes", "1"],
    "otlp": ["collector", ":4317", "http://collector:4317", "collector:0", "collector:65536", "a:b:1"],
    "console-token": ["A"],
    "other-envoy": ["true"],
}


def told(key: str, text: object) -> str:
    with pytest.raises(InjectionError) as refused:
        read_settings({f"{PREFIX}{key}": text})
    return str(refused.value)


def test_the_tables_here_are_of_all_settings() -> None:
    assert set(GOOD) == set(KEYS) >= set(BAD)


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in GOOD.items() for text in texts])
def test_a_value_that_can_be_is_taken(key: str, text: str) -> None:
    assert read_settings({f"{PREFIX}{key}": text}) == read_settings({}, {**BUILT_IN, key: text})


@pytest.mark.parametrize(("key", "text"), [(key, text) for key in KEYS for text in [*BAD.get(key, []), *EVERYWHERE]])
def test_one_that_cannot_be_is_refused_by_name_with_what_was_expected(key: str, text: str) -> None:
    kind, _ = KEYS[key]

    message = told(key, text)

    assert message.startswith(f"metadata.annotations[{PREFIX}{key}]: expected {kind.expected}, got ")
    assert message.isprintable() and len(message) < 300


def refusal_of(key: str, text: str) -> str:
    """'' for a value that is taken."""
    try:
        read_settings({f"{PREFIX}{key}": text})
    except InjectionError as error:
        return str(error)
    return ""


@examples(500)
@given(
    st.sampled_from(sorted(KEYS)),
    st.text(max_size=20) | st.sampled_from([it for texts in GOOD.values() for it in texts]),
)
def test_any_text_is_refused_by_name_or_is_one_word(key: str, text: str) -> None:
    refusal = refusal_of(key, text)

    if refusal:
        assert f"[{PREFIX}{key}]" in refusal and refusal.isprintable()
    else:
        assert text.isascii() and text.isprintable() and text.split() == [text]


@pytest.mark.parametrize("value", [10000, True, None, ["10000"], {"a": 1}, 1.5])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    assert "in quotes" in told("port", value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("prot", "unknown (did you mean port?)"),
        ("inject", "unknown"),
        ("x" * 200 + "\n", "unknown; the settings are policy, keys"),
    ],
)
def test_an_annotation_that_is_no_setting_is_refused_by_name(key: str, message: str) -> None:
    assert message in told(key, "1")
    assert told(key, "1").isprintable()


def test_annotations_of_others_and_our_own_status_are_no_settings() -> None:
    others = {"example.com/port": "x", "envoy-llm-sidecar.io.example/port": "x", f"{PREFIX}status": "{"}

    assert read_settings(others) == read_settings({})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InjectionError) as refused:
        read_settings({f"{PREFIX}port": "80", f"{PREFIX}cpu": "x", f"{PREFIX}a": "b"})

    assert [it.path[-1] for it in refused.value.refusals] == [f"{PREFIX}port", f"{PREFIX}cpu", f"{PREFIX}a"]


@pytest.mark.parametrize(
    ("annotations", "key", "message"),
    [
        ({"port": "9902"}, "port", "9902 is http-port, too"),
        ({"http-port": "9901"}, "http-port", "9901 is admin-port, too"),
        ({"port": "8000", "status-port": "8000"}, "status-port", "8000 is port, too"),
        ({"cpu": "2"}, "cpu", "cpu 2 is above cpu-limit 1"),
        ({"cpu-limit": "200m"}, "cpu-limit", "cpu 250m is above cpu-limit 200m"),
        ({"memory": "0.6G"}, "memory", "memory 0.6G is above memory-limit 512Mi"),
        ({"envoy-memory": "1Gi", "envoy-memory-limit": "1000Mi"}, "envoy-memory", "1Gi is above"),
    ],
)
def test_values_that_exclude_each_other_are_refused_where_they_were_set(
    annotations: dict[str, str], key: str, message: str
) -> None:
    with pytest.raises(InjectionError) as refused:
        read_settings({f"{PREFIX}{name}": text for name, text in annotations.items()})

    (only,) = refused.value.refusals
    assert str(only).startswith(f"metadata.annotations[{PREFIX}{key}]: ") and message in str(only)


def test_the_pod_wins_over_the_installation_and_that_over_what_is_built_in(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("port: 11000\nbase-urls: true\ncpu: 0.5\nmemory: 300Mi\n")

    settings = read_settings({f"{PREFIX}port": "12000"}, load_defaults(file))

    assert (settings.port, settings.sets_base_urls, settings.router.cpu) == (12000, True, "0.5")
    assert (settings.http_port, settings.router.cpu_limit) == (9902, "1")


def test_numbers_are_taken_however_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("memory: 2.68435456e+8\ncpu: 1.0\nworkers: 2.0\n")

    defaults = load_defaults(file)

    assert (defaults["memory"], defaults["cpu"], defaults["workers"]) == ("268435456", "1", "2")


def test_what_is_locked_no_pod_may_set(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("image: ours:1\nlocked: [image, envoy-image]\n")

    defaults = load_defaults(file)

    assert locked_keys(defaults) == ["image", "envoy-image"]
    assert read_settings({f"{PREFIX}port": "12000"}, defaults).image == "ours:1"
    with pytest.raises(InjectionError) as refused:
        read_settings({f"{PREFIX}image": "theirs:1"}, defaults)
    assert str(refused.value) == (
        f"metadata.annotations[{PREFIX}image]: this installation does not let pods set it; it is ours:1"
    )
    assert injection_status(defaults) != injection_status({**BUILT_IN, "image": "ours:1"})


def test_nothing_is_locked_where_the_list_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("locked: []\n")

    assert load_defaults(file) == BUILT_IN


def test_a_file_that_sets_nothing_leaves_what_is_built_in(tmp_path: Path) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text("# nothing yet\n{}\n")

    assert load_defaults(file) == BUILT_IN


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("port: 11000\nprot: 1\n", "2:1", "prot: unknown (did you mean port?)"),
        ("port: 80\n", "1:1", "port: expected a port from 1024 to 65535, got '80'"),
        ("port: [1]\n", "1:1", "port: expected a port from 1024 to 65535"),
        ("otlp:\n", "1:1", "otlp: expected HOST:PORT"),
        ("port: 11000\n\nhttp-port: 11000\n", "3:1", "http-port: 11000 is port, too"),
        ("cpu: 4\n", "1:1", "cpu: cpu 4 is above cpu-limit 1"),
        ("port: 1\nport: 2\n", "2:1", "given twice"),
        ("locked: image\n", "1:1", "locked: expected a list of settings, like [image, envoy-image], got 'image'"),
        ("locked: [image, imgae]\n", "1:1", "locked: expected settings, got 'imgae' (did you mean image?)"),
        ("locked: [{image: a}]\n", "1:1", "locked: expected settings, got a mapping"),
        ("locked: [locked]\n", "1:1", "locked: expected settings, got 'locked'"),
        ("- port\n", "1:1", "expected keys with values"),
        ("a: &a [x]\nb: [*a, *a\n", "3:1", "not YAML"),
        ("port: !!python/object/apply:os.getpid []\n", "1:1", "port: expected a port"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, text: str, place: str, message: str
) -> None:
    file = tmp_path / "defaults.yaml"
    file.write_text(text)

    with pytest.raises(ConfigError) as refused:
        load_defaults(file)

    assert str(refused.value).startswith(f"{file}:{place}: ") and message in str(refused.value)


def test_installations_that_differ_are_told_apart_by_the_status() -> None:
    assert injection_status() == injection_status(dict(BUILT_IN))
    assert injection_status({**BUILT_IN, "port": "11000"}) != injection_status()
