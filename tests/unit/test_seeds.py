"""Seeds: each request has samples of its own, and no two share one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import TinyPrompts
from judgeloop.schema.keys import SEED_SPACING, content_key, fraction, listed_key, seed_for
from judgeloop.schema.records import Kind, Order, Pair, Question, Voted
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling

SAMPLES = 16
PAIRS = [
    Pair(
        id=f"p{number}",
        question=Question(id=f"q{number}", images=(), text="count", kind=Kind.NUMBER),
        chosen="3",
        rejected="4",
        origin=Voted(counts={}),
    )
    for number in range(40)
]


def asked(seed: int) -> dict[str, Request]:
    """What a judge is asked about all pairs, by the request's id."""
    steps = [judge_pair(TinyPrompts(), pair, Sampling(), SAMPLES, seed) for pair in PAIRS]
    return {request.id: request for step in steps for request in next(step)}


def test_no_two_judgements_of_a_run_share_a_seed_in_whatever_order() -> None:
    requests = asked(seed=0)
    assert set(requests) == {f"{pair.id}/{order}" for pair in PAIRS for order in Order}
    seeds = [request.seed + sample for request in requests.values() for sample in range(request.n)]
    assert len(set(seeds)) == len(PAIRS) * len(Order) * SAMPLES


def test_another_run_seed_gives_every_judgement_another_seed() -> None:
    one, other = asked(seed=0), asked(seed=1)
    assert all(one[name].seed != other[name].seed for name in one)
    assert asked(seed=0) == one


def test_requests_are_far_enough_apart_for_a_thousand_samples_each() -> None:
    """vLLM gives sample i the seed s + i."""
    seeds = sorted(seed_for("vote", number) for number in range(500))
    gaps = {after - before for before, after in pairwise(seeds)} - {0}
    assert min(gaps) >= SEED_SPACING == 1024
    assert len(set(seeds)) == 500
    assert 0 <= seeds[0] <= seeds[-1] < 2**31 - SEED_SPACING + 1


@pytest.mark.parametrize(
    ("derive", "parts", "expected"),
    [
        (seed_for, ("answer", 0, "q1"), 1203556352),
        (seed_for, ("vote", 1, "é"), 1790914560),
        (fraction, ("error", 0, "q1"), 0.8220937749779295),
        (content_key, ("alter", "q1", 1, None), "2bfd087573390f7807434b97"),
        (listed_key, (["a", 1], []), "81bdaccdee241d6a12471452"),
    ],
)
def test_keys_and_draws_are_those_of_earlier_releases(
    derive: Callable[..., object], parts: tuple[object, ...], expected: object
) -> None:
    """Else nothing that is stored is found again, and no run can be repeated."""
    assert derive(*parts) == expected
