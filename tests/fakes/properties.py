"""How property-based tests run on a machine that has other things to do."""

from hypothesis import HealthCheck, settings


def examples(count: int) -> settings:
    """So many examples, however long they take."""
    return settings(
        deadline=None,
        max_examples=count,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
