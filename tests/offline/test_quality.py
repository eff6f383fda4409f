"""Curves of quality against strong calls, on cases worked out by hand and on any grades."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.offline.quality import Curve, Floats, Ranking, draw_curve, interval, oracle_ranking, random_ranking
from tests.fakes.properties import examples

WEAK = np.array([0.0, 1.0, 0.0, 1.0])
STRONG = np.array([1.0, 1.0, 1.0, 0.0])


def curve_of(*scores: float, weak: Floats = WEAK, strong: Floats = STRONG) -> Curve:
    """That of a router with these scores."""
    return draw_curve(Ranking(np.array(scores)), weak, strong)


def test_a_curve_goes_from_always_weak_to_always_strong_request_by_request() -> None:
    curve = curve_of(0.9, 0.7, 0.4, 0.1)

    assert curve.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.qualities.tolist() == [0.5, 0.75, 0.75, 1, 0.75]


def test_equal_scores_go_together_in_a_straight_line() -> None:
    curve = curve_of(0.9, 0.4, 0.4, 0.1)

    assert curve.shares.tolist() == [0, 0.25, 0.75, 1]
    assert curve.qualities.tolist() == [0.5, 0.75, 1, 0.75]


def test_infinite_scores_are_equal_too() -> None:
    assert curve_of(np.inf, 0.4, np.inf, 0.1).shares.tolist() == [0, 0.5, 0.75, 1]


@pytest.mark.parametrize(
    ("scores", "apgr", "cpt_50", "cpt_80"),
    [
        ([0.9, 0.7, 0.4, 0.1], 1.125, 0.125, 0.2),
        ([1.0, 0.0, 1.0, -1.0], 1.375, 0.125, 0.2),  # the oracle's
        ([0.5, 0.5, 0.5, 0.5], 0.5, 0.5, 0.8),
        ([0.1, 0.4, 0.7, 0.9], -0.125, 0.875, 0.95),
    ],
)
def test_apgr_and_cpt_are_those_worked_out_by_hand(
    scores: list[float], apgr: float, cpt_50: float, cpt_80: float
) -> None:
    curve = curve_of(*scores)

    assert curve.apgr() == pytest.approx(apgr)
    assert curve.cpt(0.5) == pytest.approx(cpt_50)
    assert curve.cpt(0.8) == pytest.approx(cpt_80)


@pytest.mark.parametrize(("quality", "share"), [(0.4, 0.0), (0.5, 0.0), (0.75, 0.25), (0.9, 0.65), (1.0, 0.75)])
def test_the_share_for_a_quality_is_the_first_that_has_it(quality: float, share: float) -> None:
    assert curve_of(0.9, 0.7, 0.4, 0.1).share_for(quality) == pytest.approx(share)


def test_a_quality_that_no_share_has_is_not_a_number() -> None:
    assert np.isnan(curve_of(0.9, 0.7, 0.4, 0.1).share_for(1.1))


@pytest.mark.parametrize("strong", [WEAK, 1 - STRONG, WEAK[::-1]])
def test_without_a_gap_nothing_is_recovered_but_qualities_are_there(strong: Floats) -> None:
    curve = curve_of(0.9, 0.7, 0.4, 0.1, strong=strong)

    assert not curve.has_gap
    assert np.isnan([curve.apgr(), curve.cpt(0.5), curve.recovered(0.5)]).all()
    assert curve.quality_at(1) == pytest.approx(strong.mean())
    assert curve.share_for(0.5) == 0


def test_an_interval_leaves_out_what_is_no_number() -> None:
    assert interval([*np.linspace(0, 1, 41), float("nan")]) == pytest.approx((0.025, 0.975))
    assert np.isnan(interval([float("nan")])).all()


Rows = list[tuple[int, int, int]]

# Few different scores, so that many are equal.
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)


def columns(rows: Rows) -> tuple[Floats, Floats, Floats]:
    """Scores, and grades of both models."""
    scores, weak, strong = np.array(rows, dtype=np.float64).T
    return scores, weak / 4, strong / 4


@examples(60)
@given(ROWS, st.floats(0, 1))
def test_a_curve_is_what_to_expect_when_equal_scores_come_in_random_order(rows: Rows, share: float) -> None:
    scores, weak, strong = columns(rows)
    above = np.array([(scores > score).sum() for score in scores])
    equal = np.array([(scores == score).sum() for score in scores])
    probabilities = np.clip((share * len(rows) - above) / equal, 0, 1)

    quality = draw_curve(Ranking(scores), weak, strong).quality_at(share)

    assert quality == pytest.approx(float(np.mean(weak + probabilities * (strong - weak))))


@examples(60)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_prompts_changes_nothing(rows: Rows, random: Random) -> None:
    shuffled = rows.copy()
    random.shuffle(shuffled)
    scores, weak, strong = columns(rows)
    again = columns(shuffled)

    curve, other = draw_curve(Ranking(scores), weak, strong), draw_curve(Ranking(again[0]), *again[1:])

    np.testing.assert_allclose(curve.shares, other.shares)
    np.testing.assert_allclose(curve.qualities, other.qualities)


@examples(60)
@given(ROWS, st.floats(0, 1))
def test_no_router_beats_the_oracle_and_all_end_alike(rows: Rows, share: float) -> None:
    scores, weak, strong = columns(rows)
    ours = draw_curve(Ranking(scores), weak, strong)
    oracle = draw_curve(oracle_ranking(weak, strong), weak, strong)

    assert oracle.quality_at(share) >= ours.quality_at(share) - 1e-9
    for curve in (ours, oracle):
        assert (curve.shares[0], curve.shares[-1]) == (0, 1)
        assert curve.weak == pytest.approx(weak.mean())
        assert curve.strong == pytest.approx(strong.mean())
        assert (np.diff(curve.shares) > 0).all()


@examples(60)
@given(ROWS)
def test_random_recovers_half_and_a_router_upside_down_loses_what_it_gains(rows: Rows) -> None:
    scores, weak, strong = columns(rows)
    ours = draw_curve(Ranking(scores), weak, strong)
    random = draw_curve(random_ranking(len(rows)), weak, strong)

    assert random.has_gap == ours.has_gap == (strong.sum() > weak.sum())
    if ours.has_gap:
        assert random.apgr() == pytest.approx(0.5)
        assert random.cpt(0.8) == pytest.approx(0.8)
        assert ours.apgr() + draw_curve(Ranking(-scores), weak, strong).apgr() == pytest.approx(1)


@examples(60)
@given(ROWS, st.floats(0, 1))
def test_the_share_for_a_quality_has_it_and_no_smaller_one_does(rows: Rows, quality: float) -> None:
    scores, weak, strong = columns(rows)
    curve = draw_curve(Ranking(scores), weak, strong)

    share = curve.share_for(quality)

    if np.isnan(share):
        assert curve.qualities.max() < quality
    elif share == 0:
        assert curve.weak >= quality - 1e-9
    else:
        assert curve.quality_at(share) == pytest.approx(quality)
        assert (curve.qualities[curve.shares < share] < quality).all()


@examples(60)
@given(ROWS.filter(lambda rows: len(rows) > 1), st.data())
def test_a_weight_counts_a_request_that_many_times(rows: Rows, data: st.DataObject) -> None:
    times = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)).filter(any))
    scores, weak, strong = columns(rows)
    repeated = [row for row, count in zip(rows, times, strict=True) for _ in range(count)]
    again = columns(repeated)

    weighted = draw_curve(Ranking(scores), weak, strong, np.array(times, dtype=np.float64))
    written_out = draw_curve(Ranking(again[0]), *again[1:])

    assert weighted.has_gap == written_out.has_gap
    for share in (0, 0.25, 0.5, 0.75, 1):
        assert weighted.quality_at(share) == pytest.approx(written_out.quality_at(share))
