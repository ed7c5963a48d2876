"""The charts of a loop's report: gold and held-out figures, categories, what was kept, time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from judgeloop.report.benchmark_curves import benchmark_charts
from judgeloop.report.drawing import HUES, INK, MARKERS, MUTED, Chart, svg
from judgeloop.report.history import Estimate, LoopHistory, Scores
from judgeloop.report.panels import Curve, Panel, panel_chart
from judgeloop.report.retention import retention

COIN = 0.25
"""Both-order accuracy of an unbiased coin: two independent flips are right."""
SIZE = (5.2, 3.3)
"""Width and height of a chart in inches, at 72 points each."""


def draw_charts(history: LoopHistory) -> list[Chart]:
    """Draws every chart that the history has figures for; none on an empty history."""
    charts = (_accuracy, _first_position, _categories, _retention, _seconds)
    return [*(chart for draw in charts if (chart := draw(history))), *benchmark_charts(history)]


def _accuracy(history: LoopHistory) -> Chart | None:
    series = _both_sets(history)
    if not series:
        return None

    def draw(axes: Any) -> None:
        for number, (name, points) in enumerate(series):
            x = [at for at, _ in points]
            y = [scores.both_orders.value for _, scores in points]
            axes.plot(x, y, label=name, color=HUES[number], marker=MARKERS[number])
            for at, scores in points:
                both = scores.both_orders
                if both.low is not None and both.high is not None:
                    shift = (-0.03, 0.03)[number]  # the two sets' intervals stay apart
                    axes.vlines(at + shift, both.low, both.high, color=HUES[number], linewidth=1.6)
        axes.axhline(COIN, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="unbiased coin")
        _share_axis(axes, [at for _, points in series for at, _ in points], "right in both orders")

    return Chart(
        name="accuracy",
        title="Right in both orders",
        label=_in_words(series, lambda scores: scores.both_orders.value),
        note="Share of pairs judged right whichever answer comes first, with 95 % intervals.",
        svg=_svg("accuracy", draw),
        width=SIZE[0],
    )


def _first_position(history: LoopHistory) -> Chart | None:
    decided = [
        (name, [(at, scores) for at, scores in points if scores.first_position is not None])
        for name, points in _both_sets(history)
    ]
    series = [(name, points) for name, points in decided if points]
    if not series:
        return None

    def draw(axes: Any) -> None:
        for number, (name, points) in enumerate(series):
            y = [scores.first_position for _, scores in points]
            marker, color = MARKERS[number], HUES[number]
            axes.plot([at for at, _ in points], y, label=name, color=color, marker=marker)
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="no bias")
        numbers = [at for _, points in series for at, _ in points]
        _share_axis(axes, numbers, "prefers the first answer")

    return Chart(
        name="first-position",
        title="Position bias",
        label=_in_words(series, lambda scores: scores.first_position or 0.0),
        note="Share of the decided judgements for the answer shown first. Every pair is shown "
        "both ways, so 0.5 is fair.",
        svg=_svg("first-position", draw),
        width=SIZE[0],
    )


def _categories(history: LoopHistory) -> Chart | None:
    points: dict[str, list[tuple[int, Estimate]]] = {}
    for item in history.evaluated:
        for category in item.gold.categories if item.gold else ():
            points.setdefault(category.name, []).append((item.number, category.estimate))
    panels = [
        Panel(
            title=name.replace("_", " "),
            curves=(Curve(name="both orders", points=tuple(found), chance=COIN),),
        )
        for name, found in sorted(points.items())
    ]
    note = "Gold pairs, with 95 % intervals. The dashed line is an unbiased coin."
    return panel_chart("categories", "Right in both orders, by category", note, panels)


def _retention(history: LoopHistory) -> Chart | None:
    series = retention(history)
    if not series:
        return None

    def draw(axes: Any) -> None:
        for number, (name, points) in enumerate(series.items()):
            color = INK if name == "all" else HUES[number % len(HUES)]
            marker = MARKERS[number % len(MARKERS)]
            shares = [point.value for point in points.values()]
            axes.plot(
                list(points), shares, label=name.replace("_", " "), color=color, marker=marker
            )
            lows, highs = zip(*((point.low, point.high) for point in points.values()), strict=True)
            axes.vlines(list(points), lows, highs, color=color, alpha=0.35)
        _share_axis(axes, [at for points in series.values() for at in points], "pairs kept")

    words = (
        f"{name}: {', '.join(f'{point.value:.2f}' for point in points.values())}"
        for name, points in series.items()
    )
    return Chart(
        name="retention",
        title="Pairs kept, by kind of question",
        label="; ".join(words),
        note="Share of each iteration's pairs whose judgements passed the filter, with 95 % "
        "intervals.",
        svg=_svg("retention", draw),
        width=SIZE[0],
    )


def _seconds(history: LoopHistory) -> Chart | None:
    seconds = {stage: value for stage, value in history.seconds().items() if value > 0}
    if not seconds:
        return None

    def draw(axes: Any) -> None:
        places = range(len(seconds))
        bars = axes.barh(places, list(seconds.values()), color=HUES[0], height=0.62)
        axes.bar_label(bars, fmt="{:,.1f} s", padding=4, fontsize=9.5, color=INK)
        axes.set_yticks(list(places), [stage.replace("_", " ") for stage in seconds])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.set_xlabel("seconds")
        axes.spines["left"].set_visible(False)

    return Chart(
        name="seconds",
        title="Time by stage",
        label="; ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items()),
        note="Task times added up over iterations and partitions, which may run in parallel.",
        svg=_svg("seconds", draw),
        width=SIZE[0],
    )


def _both_sets(history: LoopHistory) -> list[tuple[str, list[tuple[int, Scores]]]]:
    gold = [(item.number, item.gold) for item in history.iterations if item.gold]
    held = [(item.number, item.held_out) for item in history.iterations if item.held_out]
    named = (("gold pairs", gold), ("held-out synthetic pairs", held))
    return [(name, points) for name, points in named if points]


def _in_words(
    series: Sequence[tuple[str, list[tuple[int, Scores]]]], value: Callable[[Scores], float]
) -> str:
    return "; ".join(
        f"{name}: " + ", ".join(f"iteration {at} {value(scores):.2f}" for at, scores in points)
        for name, points in series
    )


def _share_axis(axes: Any, numbers: Sequence[int], label: str) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlim(min(numbers) - 0.3, max(numbers) + 0.3)
    axes.set_xticks(sorted(set(numbers)))
    axes.set_xlabel("iteration" if min(numbers) else "iteration (0 is the start model)")
    axes.set_ylabel(label)
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.figure.legend(loc="upper left", ncols=3, handlelength=1.6, columnspacing=1.2)


def _svg(name: str, draw: Callable[[Any], None]) -> str:
    def fill(figure: Any) -> None:
        draw(figure.add_subplot())
        rows = -(-len(figure.legends[0].get_texts()) // 3) if figure.legends else 0
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.155, top=0.97 - 0.075 * rows)
        if not rows:
            figure.subplots_adjust(left=0.19)

    return svg(name, SIZE, fill)
