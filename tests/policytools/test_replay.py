"""`sidecar replay`: what a log would have become by another policy."""

import gzip
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

import msgspec
import pytest

from sidecar.policytools import commands
from sidecar.policytools.commands import ReplayOptions
from sidecar.policytools.replay.replay import Replay
from sidecar.policytools.replay.summary import Summary
from sidecar.routing.request_record import write_line
from sidecar.streams.lines import InputError
from tests.fakes.classifiers import classification
from tests.fakes.live_requests import Traffic, read_policy
from tests.fakes.policy_files import NOON, answer, log_line, write_policy
from tests.fakes.serving import EXAMPLES, PATIENCE_SECONDS, sidecar_command

CHEAPER = "difficulty: {moderate: 0.3, complex: 0.9, reasoning: 1.0}"

SECRET = "Zanzibar"


def body(prompt: str = "What is an oak?", **more: object) -> bytes:
    return json.dumps({"model": "auto", "messages": [{"role": "user", "content": prompt}], **more}).encode()


def log_of(policy: Path, difficulties: list[float]) -> list[bytes]:
    """A record for each."""
    readings = [classification(difficulty=difficulty) for difficulty in difficulties]
    return [log_line(answer(policy, body(), reading).record) for reading in readings]


def summarise(lines: list[bytes], new: Path, against: Path | None = None) -> Summary:
    with Replay(new, against, now=NOON).open() as opened:
        return opened.summarise(lines)


def run_json(capsysbinary: pytest.CaptureFixture[bytes], options: ReplayOptions) -> Any:
    """What the command prints for programs."""
    assert commands.run_replay(options) == 0
    return json.loads(capsysbinary.readouterr().out)


def test_shares_costs_and_latencies_of_both_sides_are_told(tmp_path: Path) -> None:
    old, new = write_policy(tmp_path), write_policy(tmp_path, CHEAPER, "new.yaml")

    summary = summarise(log_of(old, [0.01, 0.2, 0.6, 0.95]), new)

    assert summary.lines == summary.old.lines == summary.new.lines == 4
    assert summary.old.tiers == {"simple": 1, "moderate": 1, "complex": 1, "reasoning": 1}
    assert summary.new.tiers == {"simple": 2, "moderate": 1, "complex": 1}
    assert summary.old.models == {"small": 1, "medium": 1, "large": 2}
    assert summary.new.models == {"small": 2, "medium": 1, "large": 1}
    # 18 tokens in, the usual 500 out, at (1, 2), (2, 4) and (5, 10) USD per million.
    tokens = len(b'[{"role": "user", "content": "What is an oak?"}]') // 4
    small = (tokens + 500 * 2) / 1e6
    assert summary.old.usd == pytest.approx(small * (1 + 2 + 5 + 5))
    assert summary.new.usd == pytest.approx(small * (1 + 1 + 2 + 5))
    assert (summary.old.mean_latency_ms, summary.new.mean_latency_ms) == (1375, 1000)
    assert summary.changed_tiers == {"moderate → simple": 1, "complex → moderate": 1, "reasoning → complex": 1}
    assert summary.changed_models == {"medium → small": 1, "large → medium": 1}
    assert (summary.changed, summary.changed_plans) == (3, 2)
    assert [(change.line, change.decision_id) for change in summary.changes] == [
        (2, "f00d"),
        (3, "f00d"),
        (4, "f00d"),
    ]


def test_the_same_policy_changes_nothing(tmp_path: Path) -> None:
    policy = write_policy(tmp_path)
    lines = log_of(policy, [0.01, 0.2, 0.6, 0.95])

    for against in (None, policy):
        summary = summarise(lines, policy, against)

        assert (summary.new.lines, summary.changed, summary.old) == (4, 0, summary.new)


def test_another_policy_can_be_the_old_side(tmp_path: Path) -> None:
    made_by, old = write_policy(tmp_path), write_policy(tmp_path, CHEAPER, "old.yaml")
    new = write_policy(tmp_path, "rules: [{name: all, tier: simple}]", "new.yaml")

    summary = summarise(log_of(made_by, [0.6]), new, old)

    assert summary.changed_models == {"medium → small": 1}
    assert (summary.old.rules, summary.new.rules) == ({"-": 1}, {"all": 1})
    assert summary.changed_rules == {"all": 1} and summary.changed_reasons == {"rule": 1}


def test_what_the_old_policy_decided_itself_is_as_it_was_decided(tmp_path: Path) -> None:
    old = write_policy(tmp_path, "rules: [{name: noon, when: {time: {from: 11:00, to: 13:00}}, tier: complex}]")
    new = write_policy(tmp_path, "", "new.yaml")
    undated = [log_line(answer(old, body()).record, None)]

    summary = summarise(undated, write_policy(tmp_path, "rules: [{name: all, tier: simple}]", "all.yaml"), old)

    assert (summary.undecidable, summary.changed_models) == (0, {"large → small": 1})
    assert summarise([log_line(answer(new, body()).record, None)], new, old).needed == {"time": 1}


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("rules: [{name: never, reject: {status: 403, message: never}}]", 403),
        ("virtual_models: {other: {}}", 404),
    ],
)
def test_what_is_rejected_has_no_model_and_no_cost(tmp_path: Path, more: str, status: int) -> None:
    old, new = write_policy(tmp_path), write_policy(tmp_path, "", "new.yaml")
    base = new.read_text()
    new.write_text(base.replace("virtual_models: {auto: {}}", more) if "virtual" in more else f"{base}{more}\n")

    summary = summarise(log_of(old, [0.6]), new)

    assert summary.new.models == summary.new.tiers == {f"rejected {status}": 1}
    assert summary.new.cost == 0
    assert summary.changed_models == {f"large → {status}": 1}

    settled = write_policy(tmp_path, "rules: [{name: all, tier: simple}]", "settled.yaml")
    rejected = [log_line(answer(new, body()).record)]
    (back,) = summarise(rejected, settled).changes
    assert (back.old.status, back.new.status, back.new.model) == (status, 200, "small")
    assert summarise(rejected, old).needed == {"classification": 1}


def test_a_body_that_cannot_be_read_stays_one(tmp_path: Path) -> None:
    old, new = write_policy(tmp_path), write_policy(tmp_path, CHEAPER, "new.yaml")

    summary = summarise([log_line(answer(old, b"no JSON").record)], new)

    assert summary.old == summary.new and summary.new.reasons == {"invalid_request": 1}


def test_a_record_may_stand_alone_or_in_any_object_as_text_or_as_it_is(tmp_path: Path) -> None:
    policy = write_policy(tmp_path)
    record = answer(policy, body(), classification(difficulty=0.2)).record
    lines = [
        record,
        record.replace(b'{"policy"', b'{"start_time": "2026-03-02T12:00:00Z", "policy"', 1),
        b'{"record": %s, "plan": ["other", "things"], "tier": 3}' % record,
        json.dumps({"record": record.decode(), "time": 1772452800.5}).encode(),
        json.dumps({"record": record.decode(), "time": {"of": "another kind"}}).encode(),
    ]

    summary = summarise(lines, policy)

    assert (summary.broken, summary.new.lines, summary.new.tiers, summary.changed) == (0, 5, {"moderate": 5}, 0)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"record": null, "path": "/healthz"}', "passed"),
        (b'{"record": "-"}', "passed"),
        (b'{"body": {"model": "auto"}, "path": "/v1/embeddings"}', "passed"),
        (b"\n", "blank"),
        (b"nonsense", "broken"),
        (b"[]", "broken"),
        (b"{}", "broken"),
        (b'{"text": 3}', "broken"),
        (b'{"record": {"policy": "x"}}', "broken"),
        (b'{"record": "nonsense"}', "broken"),
        (b'{"record": ' + b"[" * 5000, "broken"),
        (b'{"text": "cut \\x"}', "broken"),
        (b'{"text": "hi", "headers": 3}', "broken"),
        (b"\xff\xfe", "broken"),
    ],
)
def test_other_lines_are_passed_over_or_named(tmp_path: Path, line: bytes, kind: str) -> None:
    summary = summarise([b"\n", line], write_policy(tmp_path))

    assert (summary.passed, summary.broken) == (kind == "passed", kind == "broken")
    assert summary.lines == (kind != "blank")
    if kind == "broken":
        ((number, fault),) = summary.first_broken
        assert number == 2 and fault and "\n" not in fault


def test_texts_and_bodies_are_decided_by_the_classifier(tmp_path: Path) -> None:
    policy = EXAMPLES / "router.yaml"
    lines = [
        b'{"text": "hi there, thanks a lot!"}',
        b'{"text": "Prove that there are infinitely many primes."}',
        b'{"body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}}',
        json.dumps({"body": body().decode(), "path": "/v1/messages", "headers": {"X-Plan": "free"}}).encode(),
        b'{"text": "cut \\ud83d"}',
    ]

    summary = summarise(lines, policy)

    assert (summary.lines, summary.alone.lines, summary.old.lines) == (5, 5, 0)
    assert summary.alone.models == {"gemini-flash": 2, "o3-mini": 1, "gpt-4o": 1, "claude-haiku": 1}
    compared = summarise(lines, policy, policy)
    assert (compared.old.lines, compared.changed, compared.new) == (5, 0, summary.alone)


def test_a_record_beside_its_text_is_the_old_side(tmp_path: Path) -> None:
    policy = EXAMPLES / "minimal.yaml"
    record = answer(policy, body("hi there, thanks a lot!"), classification(difficulty=0.99)).record
    line = json.dumps({"record": record.decode(), "text": "hi there, thanks a lot!"}).encode()

    summary = summarise([line], policy)

    assert summary.changed_models == {"o3-mini → gemini-flash": 1}


@pytest.fixture
def long_log(tmp_path: Path) -> Path:
    """Several chunks."""
    numbers = random.Random(7)
    lines = log_of(write_policy(tmp_path), [numbers.random() for _ in range(40)])
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join(numbers.choice(lines) for _ in range(1500)) + b"nonsense\n")
    return file


def test_the_number_of_processes_and_the_compression_make_no_difference(
    tmp_path: Path, long_log: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    new = write_policy(tmp_path, CHEAPER, "new.yaml")
    compressed = tmp_path / "log.gz"
    compressed.write_bytes(gzip.compress(long_log.read_bytes(), 1))
    told, changes = [], tmp_path / "changes.jsonl"
    for log, processes in ((long_log, 1), (long_log, 3), (compressed, 1)):
        told.append(
            run_json(capsysbinary, ReplayOptions(log, new, changes=changes, processes=processes, as_json=True))
        )
        told[-1]["all changes"] = changes.read_text()

    assert told[0] == told[1] == told[2]
    assert told[0]["lines"] == 1501
    assert told[0]["broken"]["first"][0]["line"] == 1501
    all_changes = [json.loads(line) for line in told[0]["all changes"].splitlines()]
    assert len(all_changes) == told[0]["changed"]["lines"] > 500
    assert all_changes[:20] == told[0]["changes"]
    lines = [change["line"] for change in all_changes]
    assert lines == sorted(lines) and len(set(lines)) == len(lines)


def test_the_report_for_people_says_what_changes(
    tmp_path: Path, long_log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = write_policy(tmp_path, CHEAPER, "new.yaml")

    assert commands.run_replay(ReplayOptions(long_log, new)) == 0

    told = capsys.readouterr()
    assert told.err == ""  # no terminal, no progress
    assert "\033" not in told.out
    for part in ("1,501 lines, 1,500 compared", "1 cannot be read:", "line 1501", "cost, USD", "latency, ms"):
        assert part in told.out
    for row in ("tier simple", "model small", "medium → small", "changed decisions, the first 20"):
        assert row in told.out


def test_strict_stops_at_a_line_that_cannot_be_read(tmp_path: Path, long_log: Path) -> None:
    with pytest.raises(InputError, match=r"log\.jsonl:1501: JSON is malformed"):
        commands.run_replay(ReplayOptions(long_log, write_policy(tmp_path), is_strict=True))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (gzip.compress(b'{"record": null}\n' * 100_000, mtime=0)[:200], "Compressed file ended"),
        (gzip.compress(b"x" * 100, mtime=0)[:15] + b"zzzzzzzzzzzzzzzzzzz", "log.gz: after line 0: "),
    ],
)
def test_a_log_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, told: str) -> None:
    log = tmp_path / "log.gz"
    if content is not None:
        log.write_bytes(content)

    with pytest.raises(InputError, match=told):
        commands.run_replay(ReplayOptions(log, write_policy(tmp_path)))


def test_nothing_of_a_prompt_is_told(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    old = write_policy(tmp_path, "rules: [{name: r, max_tier: moderate}]")
    new = write_policy(tmp_path, "rules: [{name: r, min_tier: complex}]", "new.yaml")
    log, changes = tmp_path / "log.jsonl", tmp_path / "changes.jsonl"
    broken = json.dumps({"text": [SECRET]})
    log.write_text(f'{json.dumps({"text": SECRET})}\n{broken}\n{json.dumps({"body": SECRET})}\n{{"text": "{SECRET}\n')

    for as_json in (True, False):
        commands.run_replay(ReplayOptions(log, new, old, changes=changes, as_json=as_json))

    assert SECRET not in capsysbinary.readouterr().out.decode()
    assert SECRET not in changes.read_text() and changes.read_text()


@contextmanager
def replaying(tmp_path: Path, processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """A replay of an endless log, that has decided some of it."""
    old, new = write_policy(tmp_path), write_policy(tmp_path, CHEAPER, "new.yaml")
    lines, changes = log_of(old, [0.6] * 400), tmp_path / "changes.fifo"
    os.mkfifo(changes)
    command = sidecar_command("replay", "-", "--policy", new, "--changes", changes, "--processes", processes)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdin
        log = Thread(target=_feed, args=(process.stdin, b"".join(lines)))
        log.start()
        with changes.open("rb") as told:
            assert json.loads(told.readline())["line"] == 1
            yield process
        log.join()


def _feed(log: IO[bytes], lines: bytes) -> None:
    with suppress(BrokenPipeError), log:
        while True:
            log.write(lines)


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_all_processes_without_a_word(tmp_path: Path, processes: int) -> None:
    with replaying(tmp_path, processes) as process:
        assert process.stdout and process.stderr
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does

        assert process.wait(PATIENCE_SECONDS) == -signal.SIGINT
        assert process.stderr.read() == process.stdout.read() == b""


def test_processes_of_a_replay_that_is_killed_end_too(tmp_path: Path) -> None:
    with replaying(tmp_path, 2) as process:
        assert process.stderr
        process.kill()

        process.stderr.read()  # ends with the last of those that could write there


def request_record_lines(count: int) -> list[bytes]:
    """Made-up traffic of the example policy, as the record log has it, feedback between."""
    traffic = Traffic(read_policy().policy)
    records = [traffic.one(NOON) for _ in range(count)]
    sampled = [msgspec.structs.replace(record, text=f"{SECRET} [email]") for record in records]
    feedback = b'{"feedback":{"time":"2026-03-02T12:00:00.000000Z","decision_id":"id-1","score":1.0}}\n'
    return [line for record in sampled for line in (write_line(record), feedback)]


def test_the_record_log_is_read_and_its_samples_of_text_are_not_decided_on() -> None:
    """Without its headers and the turns before it a piece of text says less than the record."""
    lines = request_record_lines(200)
    decided = sum(json.loads(line).get("record") is not None for line in lines)

    summary = summarise(lines, EXAMPLES / "premium-and-free.yaml")

    assert summary.broken == 0
    assert summary.lines == 400
    assert summary.old.lines == summary.new.lines == decided < 200
    assert summary.changed == 0
