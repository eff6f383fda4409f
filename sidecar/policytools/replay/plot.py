"""A replay as a picture: shares of tiers and models, and the cost, before and after."""

from pathlib import Path
from typing import Any

from sidecar.policytools.replay.report import by_count, by_tier
from sidecar.policytools.replay.summary import Summary
from sidecar.streams.lines import InputError

_OLD, _NEW = "#9aa5b1", "#1f77b4"

_FORMATS = (".png", ".svg")

# More models than this have no room for their names.
_MOST_BARS = 20


def check_plot(file: Path) -> None:
    """Before the work is done. Raises InputError if nothing can be drawn there."""
    if file.suffix not in _FORMATS:
        raise InputError(f"{file}: expected a name that ends in {' or '.join(_FORMATS)}")
    if not file.parent.is_dir():
        raise InputError(f"{file}: expected a folder that exists")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError("--plot needs matplotlib: pip install 'envoy-llm-sidecar[plot]'") from error


def plot(summary: Summary, file: Path) -> None:
    """Raises OSError."""
    import matplotlib

    matplotlib.use("Agg")
    # Ids that are the same each time, so that the same replay is the same file.
    matplotlib.rcParams["svg.hashsalt"] = "sidecar"
    from matplotlib import pyplot

    old, new = (summary.old, summary.new) if summary.old.lines else (None, summary.alone)
    figure, (tiers, models, cost) = pyplot.subplots(1, 3, figsize=(14, 5), width_ratios=(2, 3, 1))
    lines = max(1, new.lines)
    for axes, title, counts in (
        (tiers, "tiers", by_tier(old.tiers if old else {}, new.tiers)),
        (models, "first models", by_count(old.models if old else {}, new.models)),
    ):
        shares = {name: (before / lines, after / lines) for name, (before, after) in counts.items()}
        _bars(axes, title, dict(list(shares.items())[:_MOST_BARS]), has_old=old is not None)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _bars(cost, "estimated cost, USD", {"": (old.usd if old else 0.0, new.usd)}, has_old=old is not None)
    figure.suptitle(f"{lines:,} requests, {summary.changed:,} of them changed")
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)


def _bars(axes: Any, title: str, values: dict[str, tuple[float, float]], *, has_old: bool) -> None:
    places = range(len(values))
    if has_old:
        axes.bar([place - 0.2 for place in places], [old for old, _ in values.values()], 0.4, color=_OLD, label="old")
    at = 0.2 if has_old else 0.0
    axes.bar([place + at for place in places], [new for _, new in values.values()], 0.4, color=_NEW, label="new")
    axes.set_xticks(list(places), list(values), rotation=45, ha="right")
    axes.set_title(title)
    axes.legend()
