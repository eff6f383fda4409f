"""A policy that changes while it is served: real files, in a real server process."""

import asyncio
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.config.compile import load_config
from sidecar.config.loaded import LoadedPolicy, ReadFile, load_policy, stamp
from sidecar.reload import PolicyFollower
from sidecar.workers import worker_address
from tests.fakes.envoy import envoy_at, request_body, request_headers, router_metadata
from tests.fakes.ports import free_port
from tests.fakes.requests import body
from tests.fakes.serving import EXAMPLES, PATIENCE_SECONDS, Serving, eventually, get

MINIMAL = (EXAMPLES / "minimal.yaml").read_text()


def policy_text(number: int, more: str = "") -> str:
    """One policy of many: they differ in what their rule is called."""
    rule = f"rules: [{{name: number-{number}, tier: moderate}}]"
    return f"{MINIMAL}{rule}\n{more}\n"


class Place:
    """A folder with a policy in it, mounted as Kubernetes mounts a ConfigMap: `..data` leads to the files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "router.yaml"
        self.socket = folder / "s.sock"
        self.port = free_port(count=2)
        self._versions = 0
        self.swap_link(policy_text(0))
        self.file.symlink_to("..data/router.yaml")

    def edit_in_place(self, text: str) -> None:
        """As `sed` or an editor that keeps the inode."""
        self.file.write_text(text)

    def rename_over(self, text: str) -> None:
        """As most editors save."""
        new = self.folder / "router.yaml.new"
        new.write_text(text)
        new.rename(self.file)

    def swap_link(self, text: str) -> None:
        """As the kubelet does: a new folder, and `..data` renamed over."""
        self._versions += 1
        version = self.folder / f"..2026_{self._versions}"
        version.mkdir()
        (version / "router.yaml").write_text(text)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.folder / "..data")

    def serve(self, workers: int = 1) -> Serving:
        """By the policy that is there."""
        return Serving(self.socket, self.port, policy=self.file, workers=workers)

    def policy_hash(self) -> str:
        """Of what is there now."""
        return load_config(self.file).policy.hash

    async def decided(self, worker: int = 0) -> tuple[str, str]:
        """The rule and the policy that decide a request now."""
        async with envoy_at(worker_address(str(self.socket), worker)) as envoy:
            described = router_metadata((await envoy.ask(request_headers(), request_body(body()))).last)
        return described["rule"], described["policy"]

    def counted(self, name: str) -> dict[str, float]:
        """The samples of one metric that are not 0, by its only label."""
        _, text = get(f"http://127.0.0.1:{self.port}/metrics")
        return {
            next(iter(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and sample.value
        }


@pytest.fixture
def place() -> Iterator[Place]:
    """Short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="llm-") as folder:
        yield Place(Path(folder))


@pytest.mark.asyncio
@pytest.mark.parametrize("change", [Place.edit_in_place, Place.rename_over, Place.swap_link])
async def test_a_policy_that_changed_is_used_however_it_was_changed(
    place: Place, change: Callable[[Place, str], None]
) -> None:
    with place.serve() as serving:
        assert await place.decided() == ("number-0", place.policy_hash())
        eventually(lambda: place.counted("llm_router_policy_info"), {place.policy_hash(): 1})

        for number in (1, 2):
            change(place, policy_text(number))
            assert place.policy_hash() in serving.wait_for_line("policy reloaded: ")
            assert await place.decided() == (f"number-{number}", place.policy_hash())

        eventually(lambda: place.counted("llm_router_policy_info"), {place.policy_hash(): 1})
        eventually(lambda: place.counted("llm_router_policy_reloads_total").get("ok"), 2)
        assert get(f"http://127.0.0.1:{place.port}/readyz") == (200, "ready\n")


@pytest.mark.asyncio
async def test_a_policy_that_is_gone_stays_in_use_until_another_one_comes(place: Place) -> None:
    with place.serve() as serving:
        old = place.policy_hash()

        place.file.unlink()
        told = serving.wait_for_line("policy not reloaded")
        assert f"{old} stays in use" in told and "No such file" in told
        assert await place.decided() == ("number-0", old)

        place.file.write_text(policy_text(1))
        serving.wait_for_line("policy reloaded: ")
        assert await place.decided() == ("number-1", place.policy_hash())


FAULTY: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace("tier: moderate", "tire: moderate"), "unknown key (did you mean tier?)"),
    (lambda text: text + "rules: [", "not YAML"),
    (lambda text: "", "the file is empty"),
    (lambda text: text + "classifier: {model: ./missing}\n", "missing: no such folder"),
    (lambda text: text + "intents: {mathh: complex}\n", "knows no intent 'mathh'"),
    (lambda text: text + "shadow: missing.yaml\n", "missing.yaml: No such file"),
]


@pytest.mark.asyncio
async def test_a_mistake_is_told_once_counted_and_changes_nothing(place: Place) -> None:
    with place.serve() as serving:
        old = place.policy_hash()
        for spoil, told in FAULTY:
            place.rename_over(spoil(policy_text(1)))
            line = serving.wait_for_line("policy not reloaded")
            assert told in line and f"{old} stays in use" in line
            assert await place.decided() == ("number-0", old)
        eventually(lambda: place.counted("llm_router_policy_reloads_total"), {"failed": len(FAULTY)})
        eventually(lambda: place.counted("llm_router_policy_info"), {old: 1})

        place.rename_over(policy_text(2))
        serving.wait_for_line("policy reloaded: ")

        assert await place.decided() == ("number-2", place.policy_hash())
        assert sum("policy not reloaded" in line for line in serving.lines) == len(FAULTY)
        assert not any("Traceback" in line for line in serving.lines)


@pytest.mark.asyncio
async def test_what_cannot_even_be_read_as_text_is_a_mistake_like_any_other(place: Place) -> None:
    with place.serve() as serving:
        place.file.unlink()
        place.file.mkdir()
        assert "not a file" in serving.wait_for_line("policy not reloaded")

        place.file.rmdir()
        place.file.write_bytes(b"providers: \xff")
        while "not UTF-8" not in serving.wait_for_line("policy not reloaded"):
            pass  # it may have looked between the two

        assert (await place.decided())[0] == "number-0"


class Unheeding:
    """A ReloadObserver."""

    def observe_reload(self, policy_hash: str, *, succeeded: bool) -> None:
        """Nothing."""


@pytest.mark.asyncio
async def test_a_policy_that_is_still_being_written_is_left_alone(tmp_path: Path) -> None:
    """Half of one may be a policy, without its rules."""
    file = tmp_path / "router.yaml"
    written = ["0", "01", "012"]
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[str] = loop.create_future()

    def look() -> list[ReadFile]:
        """Each time there is more of it."""
        if written:
            file.write_text(written.pop(0))
        return [ReadFile(file, stamp(file))]

    def load() -> str:
        loop.call_soon_threadsafe(loaded.set_result, file.read_text())
        return "feedc0de"

    follower = PolicyFollower(look, load, ())
    following = asyncio.create_task(follower.follow(Unheeding(), "0"))

    assert await asyncio.wait_for(loaded, PATIENCE_SECONDS) == "012"
    following.cancel()


@pytest.mark.asyncio
@pytest.mark.parametrize("edited", ["router.yaml", "next.yaml"])
async def test_an_edit_is_not_missed_that_comes_before_anybody_looks(tmp_path: Path, edited: str) -> None:
    """Between the reading at the start and the first look afterwards a model is loaded."""
    file = tmp_path / "router.yaml"
    file.write_text(policy_text(0, "shadow: next.yaml"))
    (tmp_path / "next.yaml").write_text(policy_text(1))
    read = load_policy(file)
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[LoadedPolicy] = loop.create_future()

    def load() -> str:
        loop.call_soon_threadsafe(loaded.set_result, load_policy(file))
        return "feedc0de"

    (tmp_path / edited).write_text(policy_text(200, "shadow: next.yaml" if edited == file.name else ""))
    follower = PolicyFollower(lambda: read.files, load, ())
    following = asyncio.create_task(follower.follow(Unheeding(), "0"))

    again = await asyncio.wait_for(loaded, PATIENCE_SECONDS)
    configs = {"router.yaml": again.config, "next.yaml": again.shadows[0]}
    assert [rule.name for rule in configs[edited].policy.rules] == ["number-200"]
    following.cancel()


@pytest.mark.asyncio
async def test_sighup_makes_it_read_at_once_changed_or_not(place: Place) -> None:
    with place.serve() as serving:
        serving.tell(signal.SIGHUP)
        assert place.policy_hash() in serving.wait_for_line("policy reloaded: ")
        eventually(lambda: place.counted("llm_router_policy_reloads_total"), {"ok": 1})

        place.edit_in_place(policy_text(1))
        serving.tell(signal.SIGHUP)
        serving.wait_for_line("policy reloaded: ")
        assert (await place.decided())[0] == "number-1"

        assert serving.leave(signal.SIGTERM) == 0


@pytest.mark.asyncio
async def test_sighup_to_the_parent_of_workers_is_for_each_of_them(place: Place) -> None:
    with place.serve(workers=2) as serving:
        pids = serving.worker_pids()

        serving.tell(signal.SIGHUP)

        for _ in pids:
            serving.wait_for_line("policy reloaded: ")
        assert serving.worker_pids() == pids
        eventually(lambda: place.counted("llm_router_policy_reloads_total"), {"ok": 2})
        for worker in range(2):
            assert await place.decided(worker) == ("number-0", place.policy_hash())


@pytest.mark.asyncio
async def test_a_shadow_is_followed_as_the_policy_itself(place: Place) -> None:
    shadow = place.folder / "next.yaml"
    shadow.write_text(policy_text(7))
    place.rename_over(policy_text(0, "shadow: next.yaml"))
    with place.serve() as serving:
        first = load_config(shadow).policy.hash
        await place.decided()

        shadow.write_text(policy_text(8))
        serving.wait_for_line("policy reloaded: ")
        assert await place.decided() == ("number-0", place.policy_hash())
        second = load_config(shadow).policy.hash

        shadow.write_text("nonsense")
        assert "next.yaml" in serving.wait_for_line("policy not reloaded")
        await place.decided()

        def counted() -> dict[str, str]:
            text = get(f"http://127.0.0.1:{place.port}/metrics")[1]
            return dict(re.findall(r'shadow_decisions_total{agrees="yes",policy="(\w+)"} (\S+)', text))

        eventually(counted, {first: "1.0", second: "2.0"})


@pytest.mark.asyncio
@pytest.mark.parametrize("more", ["", "cache: {entries: 7}", "classifier: {threads: 1, queue: 9}"])
async def test_a_request_under_way_ends_by_the_policy_that_it_began_with(place: Place, more: str) -> None:
    """Also if the model is loaded anew."""
    place.rename_over(f"{MINIMAL}min_confidence: 0.1\n")
    with place.serve() as serving:
        old = place.policy_hash()
        async with envoy_at(str(place.socket)) as envoy:
            stream = envoy.open_stream()
            await stream.write(request_headers())
            await stream.read()

            place.rename_over(f"{MINIMAL}min_confidence: 0.2\n{more}\n")
            serving.wait_for_line("policy reloaded: ")
            await stream.write(request_body(body("What is an oak?")))

            described = router_metadata(await stream.read())
            assert described["policy"] == old
            # the machine that runs the tests may be busy
            assert described["reason"] in ("difficulty", "low_confidence", "classifier_timeout")
            after = await envoy.ask(request_headers(), request_body(body("What is a beech?")))
            assert router_metadata(after.last)["policy"] == place.policy_hash()


@pytest.mark.asyncio
async def test_what_was_remembered_is_forgotten_only_with_the_model(place: Place) -> None:
    quiet = f"{MINIMAL}classifier: {{deadline_ms: 10000}}\n"  # the machine that runs the tests may be busy

    async def ask(then: dict[str, float]) -> None:
        async with envoy_at(str(place.socket)) as envoy:
            await envoy.ask(request_headers(), request_body(body("What is an oak?")))
        eventually(lambda: place.counted("llm_router_cache_lookups_total"), then)

    place.rename_over(quiet)
    with place.serve() as serving:
        await ask({"miss": 1})
        await ask({"hit": 1, "miss": 1})

        place.rename_over(f"{quiet}min_confidence: 0.2\n")
        serving.wait_for_line("policy reloaded: ")
        await ask({"hit": 2, "miss": 1})

        place.rename_over(f"{quiet}cache: {{entries: 9}}\n")
        serving.wait_for_line("policy reloaded: ")
        await ask({"hit": 2, "miss": 2})
