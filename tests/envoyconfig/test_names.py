"""The configuration and the sidecar mean the same by the same name."""

from sidecar.envoyconfig.parts import names as envoys
from sidecar.extproc import names as ours


def test_names_on_the_wire_are_the_sidecars() -> None:
    assert envoys.METADATA_NAMESPACE == ours.METADATA_NAMESPACE
    assert envoys.CLUSTER_HEADER == ours.CLUSTER_HEADER
    assert envoys.DECISION_ID_HEADER == ours.DECISION_ID_HEADER
    assert envoys.REASON_HEADER == ours.REASON_HEADER
