"""What the sections of a policy need of each other."""

from sidecar.config.compiling.names import Names
from sidecar.config.schema.policy_file import WrittenRank


def check_rank(names: Names) -> None:
    """What counts has to be known of every model."""
    rank = names.written.rank
    if not isinstance(rank, WrittenRank):
        return
    for name, model in names.written.models.items():
        if rank.latency and model.latency_ms is None:
            names.fault("rank-unfounded", ("models", name), "`rank` counts latency, and this model has no latency_ms")
        if rank.quality and "default" not in (model.quality or {}):
            names.fault(
                "rank-unfounded", ("models", name), "`rank` counts quality, and this model has no quality.default"
            )


def check_something_can_be_asked(names: Names) -> None:
    """A virtual model, or a model by its name."""
    written = names.written
    if not written.virtual_models and "name_models" not in written.callers_may:
        names.fault("nothing-to-ask", ("virtual_models",), "at least one is needed where callers may not name models")
