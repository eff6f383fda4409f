"""What the README shows is true."""

import re
from pathlib import Path

from sidecar.config.compile import load_config

README = Path(__file__).parent.parent / "README.md"


def test_the_policy_in_the_readme_loads(tmp_path: Path) -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    file = tmp_path / "router.yaml"
    file.write_text(written)
    assert len(load_config(file).policy.models) == 4
    assert written.count("\n") <= 15


def test_every_file_that_the_docs_link_to_is_there() -> None:
    root = README.parent
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("envoy/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
