"""The image without a container engine: the Dockerfile's own instructions, carried out in a folder."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"

Instruction = tuple[str, str]
"""`RUN` and what it runs, and so on."""


def interpreter() -> str:
    """Which everybody can run: the user of the image has no access to root's own."""
    return "/usr/bin/python3" if os.getuid() == 0 else sys.executable


def read_stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage of a Dockerfile, its FROM first."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    instructions = [(name, rest.strip()) for name, _, rest in (line.strip().partition(" ") for line in joined)]
    starts = [index for index, (name, _) in enumerate(instructions) if name == "FROM"]
    return [instructions[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


@dataclass(frozen=True)
class ContainerImage:
    """What the last stage has, with `opt` in `root` instead of in /."""

    root: Path
    environment: Mapping[str, str]
    user: int
    entrypoint: Sequence[str]
    command: Sequence[str]

    @property
    def packages(self) -> Path:
        """Where its Python finds modules."""
        (found,) = self.root.glob("opt/sidecar/lib/python3*/site-packages")
        return found


def build_image(root: Path) -> ContainerImage:
    """As `docker build` would. Raises CalledProcessError where an instruction fails."""
    build, last = read_stages(DOCKERFILE.read_text())
    folder = root / "src"
    for name, rest in build:
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(source, folder / target)
        elif name == "RUN":
            _run(rest, root, folder)
    settings = dict(_settings(last, root))
    return ContainerImage(
        root=root,
        environment=settings,
        user=int(_only(last, "USER").partition(":")[0]),
        entrypoint=[str(root / "opt/sidecar/bin" / word) for word in _words(_only(last, "ENTRYPOINT"))],
        command=_words(_only(last, "CMD")),
    )


def _copy(source: str, target: Path) -> None:
    admitted = (ROOT / ".dockerignore").read_text().splitlines()
    assert any(Path(source).match(line[1:]) for line in admitted if line.startswith("!")), f"{source} is left out"
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, target)


def _run(command: str, root: Path, folder: Path) -> None:
    """With pip's cache, which a container has not, and without what only compose.yaml asks for."""
    programs = root / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "python").exists():
        (programs / "python").symlink_to(interpreter())
    text = command.replace("/opt/", f"{root}/opt/").replace("--no-cache-dir ", "")
    environment = os.environ | {"DEMO": "", "PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", text], cwd=folder, env=environment, check=True, capture_output=True)


def _settings(stage: Sequence[Instruction], root: Path) -> Iterator[tuple[str, str]]:
    for name, rest in stage:
        if name == "ENV":
            for word in shlex.split(rest):
                key, _, value = word.partition("=")
                yield key, value.replace("/opt/", f"{root}/opt/").replace("$PATH", "/usr/bin:/bin")


def _only(stage: Sequence[Instruction], wanted: str) -> str:
    (found,) = [rest for name, rest in stage if name == wanted]
    return found


def _words(array: str) -> list[str]:
    return [word.strip(' "') for word in array.strip("[]").split(",")]
