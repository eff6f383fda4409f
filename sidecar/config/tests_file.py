"""A file of its own for routing tests: the key `tests` of a policy, and nothing else."""

from pathlib import Path

from sidecar.config.compile import Config
from sidecar.config.compiling.names import Names
from sidecar.config.compiling.requests import compile_tests
from sidecar.config.document import read_document
from sidecar.config.running import RoutingTest
from sidecar.config.schema.routing_tests import WrittenTest
from sidecar.config.schema.values import NonEmpty, Written
from sidecar.config.told import validate, validate_part


class WrittenTests(Written):
    """Requests, and what has to become of them."""

    tests: NonEmpty[WrittenTest]
    """As in a policy."""


def load_tests(file: Path, policy: Path, config: Config) -> tuple[RoutingTest, ...]:
    """Tests of the policy in that file, which the config is of. Raises ConfigError."""
    document = read_document(file)
    tests = validate_part(document, WrittenTests).tests
    written = validate(read_document(policy)).model_copy(update={"tests": tests})
    names = Names(document, written)
    spoken = {endpoint for model in config.policy.models.values() for endpoint in model.endpoints}
    compiled = compile_tests(names, spoken)
    names.raise_if_faulty()
    return compiled
