"""What `training.evaluate_routing` prints holds for any sane model and any grades: here they are made up."""

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice, pairwise
from pathlib import Path

import pytest

from tests.fakes.model_folders import make_model_folder

PROMPTS = Path(__file__).parents[2] / "training" / "prompts"

# How many prompts of each source: the last two are too few to stand by themselves.
SOURCES = {"one": 90, "two": 60, "three": 30, "four": 12, "five": 8}

SHARES = 11
SYSTEMS = ("ours", "length only", "random", "oracle")
# What is printed has three decimals.
ROUNDING = 0.001

Table = dict[str, list[float]]
"""By system: quality at 0 %, 10 %, … 100 % strong calls, APGR and the bounds of its interval, then CPT(50 %),
CPT(80 %) and saved in percent; what is not known is left out."""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The module, as a person runs it."""
    command = [sys.executable, "-m", "training.evaluate_routing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def write(file: Path, rows: Iterable[object]) -> Path:
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def tables(printed: str) -> dict[str, Table]:
    """By group, without the number of its prompts."""
    found: dict[str, Table] = {}
    for block in printed.split("\n\n")[1:]:
        title, _, *rows = block.splitlines()
        group = title.partition(" (")[0]
        found[group] = {row[:12].strip(): [float(n) for n in re.findall(r"-?\d+\.\d+", row[12:])] for row in rows}
    return found


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """Of short prompts, which are quick to classify; the strong model is right more often than the weak one."""
    lines = (line for file in sorted(PROMPTS.glob("*.jsonl")) for line in file.read_bytes().splitlines())
    texts = (text for line in lines if len(text := json.loads(line)["text"]) < 150)
    draw = random.Random(7)
    rows = [
        {"text": text, "source": source, "weak": float(draw.random() < 0.5), "strong": float(draw.random() < 0.8)}
        for source, count in SOURCES.items()
        for text in islice(texts, count)
    ]
    assert len(rows) == sum(SOURCES.values())
    done = run(write(tmp_path_factory.mktemp("data") / "graded.jsonl", rows))
    assert (done.returncode, done.stderr) == (0, "")
    return tables(done.stdout)


def test_all_prompts_and_each_source_have_a_table(graded: dict[str, Table]) -> None:
    assert next(iter(graded)) == "all"
    assert len(graded) >= 4 and "other sources" in graded
    assert all(tuple(table) == SYSTEMS for table in graded.values())


def test_every_way_to_choose_ends_at_always_weak_and_always_strong(graded: dict[str, Table]) -> None:
    for table in graded.values():
        assert len({table[system][0] for system in SYSTEMS}) == 1
        assert len({table[system][SHARES - 1] for system in SYSTEMS}) == 1
    assert graded["all"]["random"][0] < graded["all"]["random"][SHARES - 1]


def test_no_way_to_choose_beats_the_oracle(graded: dict[str, Table]) -> None:
    for table in graded.values():
        for system in SYSTEMS:
            pairs = zip(table["oracle"][:SHARES], table[system][:SHARES], strict=True)
            assert all(best >= quality - ROUNDING for best, quality in pairs)
    everything = graded["all"]
    assert all(everything["oracle"][SHARES] > everything[system][SHARES] for system in SYSTEMS[:-1])
    assert all(everything["oracle"][-1] >= everything[system][-1] for system in SYSTEMS)


def test_a_draw_by_lot_recovers_as_much_of_the_gap_as_it_makes_strong_calls(graded: dict[str, Table]) -> None:
    by_lot = graded["all"]["random"]

    steps = [later - earlier for earlier, later in pairwise(by_lot[:SHARES])]
    assert steps == pytest.approx([steps[0]] * 10, abs=2 * ROUNDING)
    assert by_lot[SHARES : SHARES + 5] == [0.5, 0.5, 0.5, 50.0, 80.0]


def test_the_interval_holds_the_figure(graded: dict[str, Table]) -> None:
    for system in SYSTEMS:
        apgr, low, high = graded["all"][system][SHARES : SHARES + 3]
        assert low <= apgr <= high


def test_costs_and_a_quality_are_taken_into_account_and_a_missing_gap_is_told(tmp_path: Path) -> None:
    """By lot, a quality of 0.25 needs a quarter of strong calls where only their answers are right."""
    texts = [f"What is {n} + {n}?" for n in range(20)]
    better = write(tmp_path / "a.jsonl", ({"text": t, "weak": 0, "strong": 1, "source": "better"} for t in texts))
    equal = write(tmp_path / "b.jsonl", ({"text": t, "weak": 0.5, "strong": 0.5, "source": "equal"} for t in texts))

    done = run(better, equal, "--cost-weak", 1, "--cost-strong", 10, "--quality", 0.25)

    found = tables(done.stdout)
    assert list(found) == ["all", "better", "equal"]
    assert found["better"]["random"][-1] == pytest.approx(0.75 * 0.9 * 100)
    assert "equal (20 prompts, weak 0.500, strong 0.500; the strong model is no better" in done.stdout
    assert all(len(found["equal"][system]) == SHARES + 1 for system in SYSTEMS)
    assert found["equal"]["ours"][-1] == 90.0


@pytest.mark.parametrize(
    ("rows", "arguments", "told"),
    [
        (
            [{"text": "hi", "weak": 0, "strong": 1}, {"text": "hi", "weak": 0}],
            [],
            "x.jsonl:2: strong: expected",
        ),
        ([], [], "there are no prompts to measure on"),
        ([], ["missing.jsonl"], "No such file or directory: 'missing.jsonl'"),
        ([], ["--cost-strong", 0], "--cost-strong has to be above --cost-weak"),
    ],
)
def test_what_cannot_be_used_is_a_2_that_says_why(
    tmp_path: Path, rows: list[object], arguments: list[object], told: str
) -> None:
    done = run(write(tmp_path / "x.jsonl", rows), *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]


def test_a_model_without_difficulty_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "x.jsonl", [{"text": "hi", "weak": 0, "strong": 1}])

    assert "the model tells no difficulty" in run(file, "--model", make_model_folder(tmp_path)).stderr
