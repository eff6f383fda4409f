"""What the README shows is true."""

import re
from pathlib import Path

from sidecar.config.compile import load_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_policy_in_the_readme_is_the_smallest_example_and_loads() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    example = ROOT / "examples" / "minimal.yaml"
    assert shown == example.read_text()
    assert shown.count("\n") <= 15
    assert len(load_config(example).policy.models) == 4


def test_nothing_in_the_readme_is_still_to_be_filled_in() -> None:
    assert not re.findall(r"\b[A-Z]{3,}_[A-Z_]+\b", re.sub(r"OTEL_\w+|OPENAI_API_KEY", "", README))


def test_every_file_that_the_docs_link_to_is_there() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("envoy/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
