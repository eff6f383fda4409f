"""What the demo prints can be copied into a shell."""

import io
import json
import shlex

from sidecar.demo.guide import print_guide
from sidecar.demo.options import DemoOptions
from sidecar.demo.screen import Screen


def printed(options: DemoOptions) -> str:
    out = io.StringIO()
    print_guide(Screen(out), options, 4711)
    return out.getvalue()


def test_every_body_is_json_after_the_shell_has_read_it() -> None:
    commands = [line for line in printed(DemoOptions()).splitlines() if line.startswith("curl") and "-d" in line]
    words = [shlex.split(line) for line in commands]

    assert len(words) == 4
    assert all(isinstance(json.loads(it[it.index("-d") + 1]), dict) for it in words)


def test_the_chosen_ports_are_in_the_commands() -> None:
    text = printed(DemoOptions(envoy_port=12345, control_port=12346, http_port=12347))

    assert "http://127.0.0.1:12345/v1/chat/completions" in text
    assert "http://127.0.0.1:12346/faults" in text
    assert "http://127.0.0.1:12347/" in text
    assert "10000" not in text


def test_there_is_no_colour_outside_a_terminal() -> None:
    assert "\033" not in printed(DemoOptions())
