"""How charts are drawn: inline SVG, the same bytes for the same figures, in the page's colors.

matplotlib draws with the placeholder colors of `INKS`; the SVG then refers to the page's CSS
variables, so that one drawing serves light, dark and print. Every line has a marker of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

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
STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and styled
    "text.parse_math": False,  # a `$` in a name is not math
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
    width: float
    """Width of the drawing in inches: the page scales all charts alike."""

    def alone(self) -> str:
        """Returns the drawing as a standalone file, with fixed colors instead of the page's."""
        drawn = self.svg
        for ink, variable in INKS.items():
            drawn = drawn.replace(variable, ink)
        return drawn


def svg(name: str, size: tuple[float, float], draw: Callable[[Any], None]) -> str:
    """Returns an SVG element for a page with several such elements.

    Args:
        name: Name of the chart, from which the ids of its parts are derived.
        size: Width and height in inches, at 72 points each.
        draw: Function that draws on the empty figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"judgeloop-{name}"}):
        figure = Figure(figsize=size)
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue())


def _inline(document: str) -> str:
    """Converts an SVG document to an element for a page with several such elements."""
    text = document[document.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # numbered per chart; none is referenced
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for stand_in, variable in INKS.items():
        text = text.replace(stand_in, variable)
    return text.strip()
