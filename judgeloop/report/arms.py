"""Compares several loops, such as the method and its controls: curves, and a table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from judgeloop.report.environment import page_environment
from judgeloop.report.history import Estimate, Iteration, LoopHistory
from judgeloop.report.panels import Curve, Panel, panel_chart
from judgeloop.report.summary import NONE, interval, share
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Record

COIN = 0.25
SETS = ("gold pairs", "held-out synthetic pairs")
NOTE = (
    "Share of pairs judged right in both orders, with 95 % intervals clustered by image; one panel "
    "per loop. Dashed: an unbiased coin. Each loop has its own held-out pairs."
)


class Arm(Record, frozen=True, kw_only=True):
    """A loop, and the name that distinguishes it."""

    name: str
    """Its filter (`filtering.keep`) and its id."""
    history: LoopHistory


def arms_page(arms: Sequence[Arm]) -> str:
    """Returns the HTML page; it loads no external resource and runs no script.

    Raises:
        DataError: A loop has no figures yet, or two were scored on different gold pairs.
    """
    check_arms(arms)
    panels = [Panel(title=arm.name, curves=_curves(arm.history)) for arm in arms]
    chart = panel_chart("arms", "Right in both orders, by loop", NOTE, panels)
    template = page_environment(escape=True).get_template("arms.html.jinja")
    header, *rows = arms_rows(arms)
    return template.render(
        chart=chart, svg=Markup(chart.svg if chart else ""), header=header, rows=rows
    )


def arms_rows(arms: Sequence[Arm]) -> list[tuple[str, ...]]:
    """Returns the table's header and its rows, one per iteration of a loop."""
    rows: list[tuple[str, ...]] = [
        ("loop", "iteration", "n", "both orders [95 %]", "accuracy [95 %]", "first", "kept")
    ]
    for arm in arms:
        rows += [(arm.name, *_cells(item)) for item in arm.history.evaluated]
    return rows


def check_arms(arms: Sequence[Arm]) -> None:
    """Refuses loops whose figures cannot be compared.

    Raises:
        DataError: A loop has no figures yet, or two were scored on different gold pairs.
    """
    empty = [arm.name for arm in arms if not arm.history.evaluated]
    if empty:
        raise DataError(f"{', '.join(empty)}: no judge was evaluated on gold pairs yet")
    pairs = {arm.name: {i.gold.pairs for i in arm.history.evaluated if i.gold} for arm in arms}
    if len(set.union(*pairs.values())) > 1:
        raise DataError(
            f"{', '.join(pairs)} were scored on different gold pairs: name loops with the same "
            "`evaluation.gold` and `evaluation.count`"
        )


def _curves(history: LoopHistory) -> tuple[Curve, ...]:
    gold = [(item.number, item.gold.both_orders) for item in history.evaluated if item.gold]
    held = [
        (item.number, item.held_out.both_orders) for item in history.iterations if item.held_out
    ]
    found: list[tuple[str, list[tuple[int, Estimate]]]] = list(zip(SETS, (gold, held), strict=True))
    return tuple(
        Curve(name=name, points=tuple(points), chance=COIN) for name, points in found if points
    )


def _cells(item: Iteration) -> tuple[str, ...]:
    gold = item.gold
    if gold is None:
        return (str(item.number), *[NONE] * 5)
    return (
        str(item.number),
        str(gold.n),
        interval(gold.both_orders),
        interval(gold.accuracy),
        share(gold.first_position),
        share(item.kept_share),
    )
