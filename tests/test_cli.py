"""The command line, as processes: serving, leaving, and what is said when it cannot start."""

import json
import os
import signal
import socket as sockets
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.envoy import envoy_at, request_body, request_headers, router_metadata
from tests.fakes.ports import free_port
from tests.fakes.requests import body
from tests.fakes.serving import EXAMPLES, Serving, eventually, get, sidecar_command

POLICY = EXAMPLES / "minimal.yaml"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        yield Path(folder)


def run(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        sidecar_command(*arguments), input=stdin, timeout=20, check=False, capture_output=True, text=True
    )


def names_in(folder: Path) -> set[str]:
    """Of all that is in it."""
    return {path.name for path in folder.iterdir()}


async def decide(socket: Path) -> dict[str, object]:
    """What a server there says of a greeting."""
    async with envoy_at(str(socket)) as envoy:
        answers = await envoy.ask(request_headers(), request_body(body("hi there, thanks a lot!")))
    return router_metadata(answers.last)


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_decides_until_it_is_told_to_leave(folder: Path, number: signal.Signals) -> None:
    bystander = folder / "sidecar.sock.txt"
    bystander.write_text("not ours")
    port = free_port()

    with Serving(folder / "sidecar.sock", port) as serving:
        assert get(f"http://127.0.0.1:{port}/readyz") == (200, "ready\n")
        assert len(serving.worker_pids()) == 1
        decided = await decide(folder / "sidecar.sock")
        # the machine that runs the tests may be busy
        assert decided["reason"] in ("difficulty", "classifier_timeout")
        eventually(lambda: f'reason="{decided["reason"]}"' in get(f"http://127.0.0.1:{port}/metrics")[1], True)

        assert serving.leave(number) == 0

    assert not any("Traceback" in line for line in serving.lines)
    assert names_in(folder) == {bystander.name}


@pytest.mark.asyncio
async def test_workers_serve_side_by_side_and_one_that_is_killed_comes_back(folder: Path) -> None:
    port = free_port(count=2)
    each = [folder / "sidecar.sock", folder / "sidecar-1.sock"]

    with Serving(folder / "sidecar.sock", port, workers=2) as serving:
        assert names_in(folder) == {"outcomes.sock", *(socket.name for socket in each)}
        for socket in each:
            assert (await decide(socket))["policy"]
        before = serving.worker_pids()

        os.kill(before[1], signal.SIGKILL)
        serving.wait_for_line("ended with -9")
        assert (await decide(each[0]))["policy"]
        serving.wait_for_line("ready at ")

        assert (await decide(each[1]))["policy"]
        eventually(lambda: serving.worker_pids()[1] != before[1], True)
        assert serving.worker_pids()[0] == before[0]
        assert serving.leave(signal.SIGTERM) == 0

    assert names_in(folder) == set()
    assert not set(map(str, before)) & names_in(Path("/proc"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: --policy"),
        (["--policy", POLICY, "--workers", "0"], "expected a whole number from 1, got '0'"),
        (["--policy", POLICY, "--http", "9902"], "expected HOST:PORT, got '9902'"),
        (["--policy", POLICY, "--http", "127.0.0.1:99999"], "expected a port from 1 to 65535, got '99999'"),
        (["--policy", POLICY, "--socket", "127.0.0.1:99999"], "expected a port from 1 to 65535, got '99999'"),
        (["--policy", POLICY, "--socket", "sidecar.sock"], "'sidecar.sock'"),
        (["--policy", POLICY, "--socket", "sidecar.sock", "--workers", "2"], "'sidecar.sock'"),
        (["--policy", POLICY, "--log-level", "loud"], "invalid choice: 'loud'"),
    ],
)
def test_a_command_line_that_cannot_be_used_is_a_2_with_usage(arguments: list[object], told: str) -> None:
    done = run("serve", *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: sidecar serve ")
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def _policy(folder: Path, more: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(POLICY.read_text() + more)
    return file


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("fallbak: gpt-4o\n", ": fallbak: unknown key (did you mean fallback?)"),
        ("classifier: {model: ./missing}\n", "missing: no such folder"),
    ],
)
def test_a_policy_that_cannot_be_used_is_a_2_and_one_line(folder: Path, more: str, told: str, workers: int) -> None:
    socket = folder / "sidecar.sock"
    arguments = ["--socket", socket, "--http", f"127.0.0.1:{free_port(workers)}", "--workers", workers]

    done = run("serve", "--policy", _policy(folder, more), *arguments)

    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("sidecar: ")]
    assert 1 <= len(lines) <= workers
    assert all(told in line for line in lines)
    assert "Traceback" not in done.stderr
    assert not socket.exists()


def test_a_place_that_cannot_be_listened_at_is_a_2_and_one_line(folder: Path) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        in_use = f"127.0.0.1:{taken.getsockname()[1]}"
        file = folder / "diary"
        file.write_text("dear diary")
        free = f"127.0.0.1:{free_port()}"
        for socket, http, told in (
            (folder / "sidecar.sock", in_use, in_use.partition(":")[2]),
            (in_use, free, f"cannot listen on {in_use}"),
            (folder / "none" / "sidecar.sock", free, ".sock: no such folder"),
            (file, free, f"cannot listen on {file}: it exists, and is not a socket"),
        ):
            done = run("serve", "--policy", POLICY, "--socket", socket, "--http", http)
            assert (done.returncode, "Traceback" in done.stderr) == (2, False)
            assert told in done.stderr
    assert file.read_text() == "dear diary"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--help"],
            [
                "serve",
                "check",
                "explain",
                "test",
                "replay",
                "envoy",
                "schema",
                "demo",
                "classify",
                "calibrate",
                "train",
            ],
        ),
        (["serve", "--help"], ["--policy", "--socket", "--http", "--workers", "--log-level"]),
        (["classify", "--help"], ["--policy", "--model", "--threads"]),
        (["calibrate", "--help"], ["--strong-share", "--quality", "--tier", "--policy", "--model", "--threads"]),
        (["check", "--help"], ["POLICY", "--envoy", "--strict", "--json"]),
        (["explain", "--help"], ["POLICY", "--model", "--path", "--header", "--at", "--json"]),
        (["test", "--help"], ["POLICY", "--tests", "--junit", "--json"]),
        (["replay", "--help"], ["LOG", "--policy", "--against", "--changes", "--plot", "--json"]),
        (["envoy", "--help"], ["POLICY", "--basic", "--overlay", "--out"]),
        (["schema", "--help"], ["JSON Schema", "--json"]),
        (["--version"], ["."]),
        (["--print-completion", "bash"], ["complete ", "-F _shtab_sidecar sidecar"]),
        (["--print-completion", "bash"], ["_check_pos_0_COMPGEN=_shtab_compgen_files", "_explain_pos_1_COMPGEN="]),
        (["--print-completion", "bash"], ["_envoy___out_COMPGEN=_shtab_compgen_dirs"]),
        (["--print-completion", "zsh"], ["#compdef sidecar"]),
    ],
)
def test_help_is_printed(arguments: list[str], said: list[str]) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(word in done.stdout for word in said)


def test_no_command_is_a_2() -> None:
    assert run().returncode == 2


def test_check_is_a_0_for_a_policy_that_can_be_used(folder: Path) -> None:
    done = run("check", _policy(folder, ""), "--json")

    assert (done.returncode, done.stderr) == (0, "")
    assert {finding["severity"] for finding in json.loads(done.stdout)} <= {"warning"}


def test_check_is_a_1_and_tells_where_for_one_that_cannot(folder: Path) -> None:
    policy = _policy(folder, "fallbak: gpt-4o\n")
    line = len(policy.read_text().splitlines())

    told = run("check", policy)
    (finding,) = json.loads(run("check", policy, "--json").stdout)

    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith(f"{policy}:{line}:1: error: fallbak: unknown key (did you mean fallback?)")
    assert (finding["line"], finding["column"], finding["severity"]) == (line, 1, "error")


def test_check_counts_warnings_as_errors_only_if_it_shall(folder: Path) -> None:
    policy = _policy(folder, "classifier: {model: ./elsewhere}\n")  # where it runs there may be such a folder

    assert [run("check", policy, *options).returncode for options in ([], ["--strict"])] == [0, 1]


def test_the_schema_is_json() -> None:
    done = run("schema")

    assert (done.returncode, done.stderr) == (0, "")
    assert {"providers", "models", "rules"} <= json.loads(done.stdout)["properties"].keys()


@pytest.mark.parametrize(
    "arguments",
    [["explain", "POLICY", "hi"], ["test", "POLICY"], ["replay", "-", "--policy", "POLICY"]],
    ids=lambda arguments: arguments[0],
)
def test_a_tool_that_gets_a_faulty_policy_is_a_2_and_one_line(folder: Path, arguments: list[str]) -> None:
    policy = _policy(folder, "fallbak: gpt-4o\n")

    done = run(*(policy if argument == "POLICY" else argument for argument in arguments))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sidecar: ") and "fallbak: unknown key" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "-"], "nothing found"),
        (["explain", "-", "hi there!"], "auto at /v1/chat/completions → gemini-flash"),
        (["test", "-", "--tests", "TESTS"], "1 passed"),
        (["test", "TESTS-POLICY", "--tests", "-"], "FAIL"),
        (["envoy", "-"], "static_resources:"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_policy_may_come_from_standard_input(folder: Path, arguments: list[str], said: str) -> None:
    tests = folder / "tests.yaml"
    tests.write_text("tests: [{prompt: hi, expect: {tier: simple}}]\n")
    files = {"TESTS": tests, "TESTS-POLICY": POLICY}
    other_tests = "tests: [{prompt: hi, expect: {tier: reasoning}}]"
    written = other_tests if "TESTS-POLICY" in arguments else POLICY.read_text()

    done = run(*(files.get(argument, argument) for argument in arguments), stdin=written)

    assert (done.returncode, done.stderr) == (1 if said == "FAIL" else 0, "")
    assert said in done.stdout


@pytest.mark.parametrize("command", [["check", "-"], ["explain", "-", "hi"], ["test", "-"], ["envoy", "-"]])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("fallbak: gpt-4o\n", "-:1:1: fallbak: unknown key"),
        ("", "-:1:1: the file is empty"),
        ("a: " + "x" * 2_000_000, "-: larger than 1048576 bytes"),
    ],
    ids=["faulty", "empty", "endless"],
)
def test_a_mistake_in_standard_input_has_its_line(command: list[str], written: str, told: str) -> None:
    done = run(*command, stdin=written)

    assert done.returncode == (1 if command[0] == "check" else 2)
    assert told in (done.stdout.replace("error: ", "") if command[0] == "check" else done.stderr)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explain", "-", "-"], "- stands for standard input, which can be one file only, not both policy and"),
        (["test", "-", "--tests", "-"], "not both policy and tests"),
        (["envoy", "-", "--overlay", "-"], "not both policy and overlay"),
        (["replay", "-", "--policy", "-"], "--policy: expected a file, got -; every process of a replay reads it"),
        (["replay", "-", "--policy", POLICY, "--against", "-"], "--against: expected a file, got -"),
        (["classify", "--policy", "-"], "--policy: expected a file, got -"),
        (["calibrate", "--strong-share", "0.3", "--policy", "-"], "--policy: expected a file, got -"),
        (["serve", "--policy", "-"], "-: expected a file: it is read again when it changes"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_standard_input_is_refused_where_it_is_something_else_or_is_read_again(
    arguments: list[object], told: str
) -> None:
    done = run(*arguments, stdin=POLICY.read_text())

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", [["--at", "noon"], ["--header", "x-plan"], ["--header", ": free"]])
def test_a_value_that_makes_no_sense_is_told_with_its_option(option: list[str]) -> None:
    done = run("explain", POLICY, "hi", *option)

    assert done.returncode == 2
    assert f"argument {option[0]}: expected " in done.stderr


@pytest.mark.parametrize("command", [["check"], ["explain", "hi"], ["test"], ["replay"]], ids=lambda words: words[0])
@pytest.mark.parametrize("fault", ["missing", "faulty"])
def test_a_failure_is_json_for_programs(folder: Path, command: list[str], fault: str) -> None:
    policy = folder / "none.yaml" if fault == "missing" else _policy(folder, "fallbak: gpt-4o\n")
    name, *more = command

    done = run(name, *(["-", "--policy", policy] if name == "replay" else [policy, *more]), "--json")

    told = json.loads(done.stdout)
    if (name, fault) == ("check", "faulty"):  # which is what it is there to find
        assert (done.returncode, [finding["id"] for finding in told]) == (1, ["unknown-key"])
        return
    assert done.returncode == 2
    assert done.stderr == f"sidecar: {told['error']['message']}\n"
    assert ("No such file" if fault == "missing" else "fallbak: unknown key") in told["error"]["message"]
    if fault == "faulty":
        (finding,) = told["error"]["findings"]
        assert (finding["id"], finding["file"], finding["column"]) == ("unknown-key", str(policy), 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check", POLICY, "--envoy", "none.yaml"], "none.yaml: No such file or directory"),
        (
            ["test", POLICY.with_name("router.yaml"), "--junit", "/none/j.xml"],
            "/none/j.xml: No such file or directory",
        ),
        (["replay", "-", "--policy", POLICY, "--changes", "/none/c"], "/none/c: No such file or directory"),
        (["replay", "-", "--policy", POLICY, "--plot", "/none/p.svg"], "/none/p.svg: expected a folder that exists"),
    ],
    ids=["envoy", "junit", "changes", "plot"],
)
def test_a_file_that_cannot_be_used_is_a_2_and_one_line(arguments: list[object], told: str) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"sidecar: {told}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", POLICY],
        ["explain", POLICY, "hi"],
        ["explain", POLICY, "hi", "--json"],
        ["test", POLICY.with_name("router.yaml")],
        ["replay", "/dev/null", "--policy", POLICY],
        ["envoy", POLICY],
        ["schema"],
        ["--print-completion", "bash"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_reader_that_went_away_ends_it_without_a_word(arguments: list[object]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        done = subprocess.run(
            sidecar_command(*arguments), stdout=nobody, stderr=subprocess.PIPE, timeout=60, check=False
        )

    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


def test_ctrl_c_ends_a_command_without_a_word() -> None:
    with subprocess.Popen(
        sidecar_command("explain", POLICY, "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        # More than a pipe holds: once it is written, the command reads.
        process.stdin.write(b"hi " * 100_000)

        process.send_signal(signal.SIGINT)

        assert process.wait(60) == -signal.SIGINT
        assert process.stdout.read() == process.stderr.read() == b""


def test_output_that_cannot_be_written_is_a_1_and_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            sidecar_command("schema"), stdout=full, stderr=subprocess.PIPE, timeout=60, check=False, text=True
        )

    assert (done.returncode, done.stderr) == (1, "sidecar: No space left on device\n")
