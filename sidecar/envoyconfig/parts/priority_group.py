"""Envoy's cluster specifier `priority_group`, which envoy-data-plane 2.2 does not have yet.

As Envoy 1.40.0 declares it in envoy/extensions/router/cluster_specifiers/priority_group/v3/priority_group.proto: the
names and numbers of its fields. With this, its configuration is written and read like that of any other extension.
"""

import betterproto2
from pydantic.dataclasses import dataclass

from sidecar.envoyconfig.parts.messages import default_message_pool, protobuf

_PACKAGE = "envoy.extensions.router.cluster_specifiers.priority_group.v3"


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class ClusterWeight(betterproto2.Message):
    """A cluster, and its share of the attempts that go to its group."""

    cluster_name: str = betterproto2.field(1, betterproto2.TYPE_STRING)
    weight: int | None = betterproto2.field(
        2, betterproto2.TYPE_MESSAGE, unwrap=lambda: protobuf.UInt32Value, optional=True
    )


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class PriorityGroup(betterproto2.Message):
    """Where one attempt may go; a plan names groups."""

    name: str = betterproto2.field(1, betterproto2.TYPE_STRING)
    clusters: list[ClusterWeight] = betterproto2.field(2, betterproto2.TYPE_MESSAGE, repeated=True)


@dataclass(eq=False, repr=False, config={"extra": "forbid"})
class PriorityGroupClusterSpecifier(betterproto2.Message):
    """The groups in the order of the attempts, unless metadata of that namespace says another."""

    priority_groups: list[PriorityGroup] = betterproto2.field(1, betterproto2.TYPE_MESSAGE, repeated=True)
    override_metadata_namespace: str = betterproto2.field(2, betterproto2.TYPE_STRING)
    header_name: str | None = betterproto2.field(
        3, betterproto2.TYPE_STRING, optional=True, group="random_value_specifier"
    )
    use_hash_policy: bool | None = betterproto2.field(
        4,
        betterproto2.TYPE_MESSAGE,
        unwrap=lambda: protobuf.BoolValue,
        optional=True,
        group="random_value_specifier",
    )


if f"type.googleapis.com/{_PACKAGE}.PriorityGroupClusterSpecifier" not in default_message_pool.url_to_type:
    for _message in (ClusterWeight, PriorityGroup, PriorityGroupClusterSpecifier):
        default_message_pool.register_message(_PACKAGE, _message.__name__, _message)
