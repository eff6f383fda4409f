"""Test results as JUnit XML, which every CI system shows.

There is no standard; what stands here satisfies the strictest schema in use, that of Apache Ant's JUnit task
(github.com/windyroad/JUnit-Schema), and so all others.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from sidecar.policytools.testing.run import Tested


def junit_xml(file: Path, results: Sequence[Tested], started: datetime) -> bytes:
    """One suite, named after the file that the tests stand in."""
    failed = sum(not result.has_passed for result in results)
    suites = ET.Element("testsuites")
    suite = ET.SubElement(
        suites,
        "testsuite",
        id="0",
        package="sidecar",
        name=_clean(file.name),
        timestamp=started.strftime("%Y-%m-%dT%H:%M:%S"),
        hostname="localhost",  # the schema wants one; a policy is the same everywhere
        tests=str(len(results)),
        failures=str(failed),
        errors="0",
        time=_seconds(sum(result.seconds for result in results)),
    )
    ET.SubElement(suite, "properties")
    repeated = Counter(result.test.name for result in results)
    for result in results:
        name = result.test.name
        # CI systems keep one result for each name: tests of the same prompt would hide each other.
        _add_case(suite, file, result, name if repeated[name] == 1 else f"{name} (line {result.test.line})")
    ET.SubElement(suite, "system-out")
    ET.SubElement(suite, "system-err")
    ET.indent(suites)
    written: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add_case(suite: ET.Element, file: Path, result: Tested, name: str) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(file.name.removesuffix(file.suffix)),
        name=_clean(name),
        time=_seconds(result.seconds),
    )
    if result.has_passed:
        return
    differences = [f"{each.key}: expected {each.expected}, got {each.got}" for each in result.mismatches]
    failure = ET.SubElement(case, "failure", type="mismatch", message=_clean("; ".join(differences)))
    failure.text = _clean("\n".join((f"{file}:{result.test.line}", *differences, f"why: {result.why}")))


def _clean(text: str) -> str:
    """Without the characters that XML cannot have, escaped or not."""
    return "".join(character if character == "\n" or character.isprintable() else "\ufffd" for character in text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
