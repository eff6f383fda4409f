"""A calibration, written for people: first the line for the policy, then what it means and how sure it is."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from sidecar.offline.calibrate import Calibration
from sidecar.offline.quality import RESAMPLES
from sidecar.routing.tier_rule import DifficultyThresholds

# Closer than this to the wanted share is close enough to say nothing.
_CLOSE = 0.01


def render(calibration: Calibration) -> str:
    """Several lines of text."""
    return "\n".join([*_threshold(calibration), "", *_table(calibration), "", *_notes(calibration), ""])


def as_json(calibration: Calibration) -> str:
    """The same for programs: one line of JSON. Qualities are null unless all prompts have grades."""
    curve, spread, chosen = calibration.curve, calibration.spread, calibration.chosen
    written = {
        "difficulty": asdict(calibration.after),
        "tier": calibration.target.tier.label,
        "prompts": len(calibration.log.difficulties),
        "graded": calibration.log.graded,
        "strong_share": _finite(curve.shares[chosen]),
        "strong_share_interval": list(map(_finite, spread.strong_shares)),
        "quality": _finite(curve.qualities[chosen]),
        "quality_interval": list(map(_finite, spread.qualities)),
        "quality_always_weak": _finite(curve.weak),
        "quality_always_strong": _finite(curve.strong),
        "threshold_interval": list(map(_finite, spread.thresholds)),
        "reached": spread.reached,
    }
    return json.dumps(written) + "\n"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def policy_line(thresholds: DifficultyThresholds) -> str:
    """The key `difficulty` of a policy."""
    return f"difficulty: {{{', '.join(f'{tier}: {_number(value)}' for tier, value in asdict(thresholds).items())}}}"


def _threshold(calibration: Calibration) -> Iterator[str]:
    tier = calibration.target.tier.label
    yield policy_line(calibration.after)
    yield ""
    yield (
        f"A difficulty of {_number(asdict(calibration.after)[tier])} or more gets tier {tier} or above. "
        f"On this log of {len(calibration.log.difficulties):,} prompts:"
    )


def _table(calibration: Calibration) -> Iterator[str]:
    curve, chosen, spread = calibration.curve, calibration.chosen, calibration.spread
    share, quality = float(curve.shares[chosen]), float(curve.qualities[chosen])
    is_graded = calibration.log.graded == len(calibration.log.difficulties)

    def row(name: str, shares: str, qualities: str, recovered: str) -> str:
        return (f"{name:20}{shares:>16}" + (f"{qualities:>18}{recovered:>14}" if is_graded else "")).rstrip()

    yield row("", "strong calls", "quality", "of the gap")
    yield row("always weak", "0.0 %", f"{curve.weak:.3f}", _percent(curve.recovered(curve.weak)))
    yield row("this threshold", _percent(share), f"{quality:.3f}", _percent(curve.recovered(quality)))
    low, high = spread.qualities
    yield row("  95 % interval", _percents(*spread.strong_shares), f"{low:.3f} to {high:.3f}", "")
    yield row("always strong", "100.0 %", f"{curve.strong:.3f}", _percent(curve.recovered(curve.strong)))


def _notes(calibration: Calibration) -> Iterator[str]:
    spread = calibration.spread
    low, high = spread.thresholds
    yield (
        f"Chosen anew on {RESAMPLES} resamples of the log (bootstrap), the threshold is from {low:.3f} to {high:.3f} "
        "in 95 % of them."
    )
    if spread.reached < 1:
        yield f"On {_percent(1 - spread.reached)} of them no threshold reaches the target."
    yield from _share_notes(calibration)
    for tier, before in asdict(calibration.before).items():
        after = asdict(calibration.after)[tier]
        if tier != calibration.target.tier.label and after != before:
            yield f"{tier} was {_number(before)} and moves along: thresholds have to rise with the tier."
    graded = calibration.log.graded
    if 0 < graded < len(calibration.log.difficulties):
        yield f"Only {graded:,} lines are graded; for the quality, all have to be."
    elif graded and not calibration.curve.has_gap:
        yield "The strong model's answers are no better here: there is no gap that strong calls could close."


def _share_notes(calibration: Calibration) -> Iterator[str]:
    lifted = float(np.isinf(calibration.log.difficulties).mean())
    if lifted:
        yield (
            f"{_percent(lifted)} of the prompts are strong calls whatever the threshold is: "
            "for their intent's least tier, or for low confidence."
        )
    shares = calibration.curve.shares
    reached, wanted = float(shares[calibration.chosen]), calibration.target.strong_share
    if calibration.target.quality is None and abs(reached - wanted) > _CLOSE:
        yield f"No threshold comes closer to {_percent(wanted)}."


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share * 100:.1f} %"


def _percents(low: float, high: float) -> str:
    return f"{low * 100:.1f} to {high * 100:.1f} %"


def _number(value: float) -> str:
    """Never with an exponent: YAML 1.1 takes `1e-05` for text."""
    return np.format_float_positional(value, trim="-")
