"""The prompts by which a base judges best."""

from judgeloop.evaluation.scorecard import scorecard
from judgeloop.runtime.stages.standalone import _best_prompts
from judgeloop.schema.records import Choice, ItemResult
from judgeloop.schema.results import Scores


def scores(right: int) -> Scores:
    """Those of four items, some of them right in both orders and the others in one."""
    second = [Choice.B] * right + [Choice.A] * (4 - right)
    items = [
        ItemResult(item_id=f"i{at}", category="x", chosen_first=Choice.A, rejected_first=choice)
        for at, choice in enumerate(second)
    ]
    return Scores(card=scorecard(items), pairs="", protocol="")


def test_the_best_prompts_are_those_with_most_items_right_in_both_orders() -> None:
    assert _best_prompts({"one": scores(1), "two": scores(3), "three": scores(2)}) == "two"
    assert _best_prompts({"one": scores(2), "two": scores(2)}) == "one"
    assert _best_prompts({}) == ""
