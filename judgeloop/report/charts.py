"""Charts as inline SVG: the same bytes for the same story, in the colours of the page's theme.

matplotlib draws with the stand-in colours of `INKS`; the SVG then refers to the page's CSS
variables, so that one drawing serves light, dark and print. Every line has a marker of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from judgeloop.report.story import Estimate, Scores, Story
from judgeloop.schema.records import Record

INKS = {
    "#101112": "var(--ink)",
    "#707172": "var(--muted)",
    "#d0d1d2": "var(--line)",
    "#0072b2": "var(--hue-1)",
    "#d55e00": "var(--hue-2)",
    "#009e73": "var(--hue-3)",
    "#cc79a7": "var(--hue-4)",
    "#e69f00": "var(--hue-5)",
    "#56b4e9": "var(--hue-6)",
}
INK, MUTED, LINE, *HUES = INKS
MARKERS = ("o", "s", "^", "D", "v", "P")
COIN = 0.25
"""Both-order accuracy of a coin without position bias: two independent tosses come out right."""
MOST_LINES = 6
"""Lines that can be told apart in one chart."""
SIZE = (5.2, 3.3)
"""Width and height of a chart in inches, at 72 points each."""

STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be read out, searched and styled
    "text.parse_math": False,  # a `$` in a name is a `$`
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same layout everywhere
    "font.size": 10.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "lines.linewidth": 2,
    "lines.markersize": 6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


class Chart(Record, frozen=True, kw_only=True):
    """A drawn chart: `svg` is safe to put into a page, `label` is its text alternative."""

    name: str
    title: str
    label: str
    note: str
    svg: str


Point = tuple[int, float]


def draw_charts(story: Story) -> list[Chart]:
    """Draws every chart that the story has figures for; none on an empty story."""
    charts = (_accuracy, _first_position, _categories, _retention, _seconds)
    return [chart for draw in charts if (chart := draw(story))]


def _accuracy(story: Story) -> Chart | None:
    series = _both_sets(story)
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
    )


def _first_position(story: Story) -> Chart | None:
    decided = [
        (name, [(at, scores) for at, scores in points if scores.first_position is not None])
        for name, points in _both_sets(story)
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
    )


def _categories(story: Story) -> Chart | None:
    series: dict[str, list[tuple[int, Estimate]]] = {}
    for item in story.evaluated:
        for category in item.gold.categories if item.gold else ():
            series.setdefault(category.name, []).append((item.number, category.estimate))
    if not series or len(series) > MOST_LINES:
        return None

    def draw(axes: Any) -> None:
        for number, (name, points) in enumerate(sorted(series.items())):
            color, marker = HUES[number % len(HUES)], MARKERS[number % len(MARKERS)]
            shift = 0.03 * (number - (len(series) - 1) / 2)  # the intervals stay apart
            x = [at + shift for at, _ in points]
            y = [one.value for _, one in points]
            axes.plot(x, y, label=name.replace("_", " "), color=color, marker=marker)
            axes.vlines(
                x, [one.low for _, one in points], [one.high for _, one in points],
                color=color, linewidth=1.2,
            )  # fmt: skip
        axes.axhline(COIN, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        numbers = [at for points in series.values() for at, _ in points]
        _share_axis(axes, numbers, "right in both orders")

    words = (
        f"{name}: {', '.join(f'{one.value:.2f}' for _, one in points)}"
        for name, points in sorted(series.items())
    )
    return Chart(
        name="categories",
        title="Right in both orders, by category",
        label="; ".join(words),
        note="Gold pairs, with 95 % intervals. The dashed line is an unbiased coin.",
        svg=_svg("categories", draw),
    )


def _retention(story: Story) -> Chart | None:
    series = retention(story)
    if not series:
        return None

    def draw(axes: Any) -> None:
        for number, (name, points) in enumerate(series.items()):
            color = INK if name == "all" else HUES[number % len(HUES)]
            marker = MARKERS[number % len(MARKERS)]
            x, y = [at for at, _ in points], [value for _, value in points]
            axes.plot(x, y, label=name.replace("_", " "), color=color, marker=marker)
        _share_axis(axes, [at for points in series.values() for at, _ in points], "pairs kept")

    words = (f"{name}: {', '.join(f'{v:.2f}' for _, v in pts)}" for name, pts in series.items())
    return Chart(
        name="retention",
        title="Pairs kept, by kind of question",
        label="; ".join(words),
        note="Share of each iteration's pairs whose judgements passed the filter.",
        svg=_svg("retention", draw),
    )


def _seconds(story: Story) -> Chart | None:
    seconds = {stage: value for stage, value in story.seconds().items() if value > 0}
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
        note="Task times added up over iterations and partitions, which may run side by side.",
        svg=_svg("seconds", draw),
    )


def retention(story: Story) -> dict[str, list[Point]]:
    """Returns the kept share by kind of question, and under `all`, for each filtered iteration."""
    found: dict[str, list[Point]] = {}
    for item in story.iterations:
        for name, kind in item.filtered.kinds.items() if item.filtered else ():
            if kind.pairs:
                found.setdefault(name, []).append((item.number, kind.kept / kind.pairs))
        if item.kept_share is not None:
            found.setdefault("all", []).append((item.number, item.kept_share))
    return found


def _both_sets(story: Story) -> list[tuple[str, list[tuple[int, Scores]]]]:
    gold = [(item.number, item.gold) for item in story.iterations if item.gold]
    held = [(item.number, item.held_out) for item in story.iterations if item.held_out]
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
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"judgeloop-{name}"}):
        figure = Figure(figsize=SIZE)
        axes = figure.add_subplot()
        draw(axes)
        rows = -(-len(figure.legends[0].get_texts()) // 3) if figure.legends else 0
        figure.subplots_adjust(left=0.135, right=0.985, bottom=0.155, top=0.97 - 0.075 * rows)
        if not rows:
            figure.subplots_adjust(left=0.19)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue())


def _inline(document: str) -> str:
    """Makes of an SVG document an element of a page that has others like it."""
    text = document[document.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # numbered anew in every chart; none is referred to
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for stand_in, variable in INKS.items():
        text = text.replace(stand_in, variable)
    return text.strip()
