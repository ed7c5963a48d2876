"""Writes docs/results.md and its figure from what the arms of the study measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import jinja2

from benchmarks.study.arms import ARMS, Arm
from benchmarks.study.sight import KINDS

TEMPLATE = Path(__file__).with_name("results.md.jinja")
METHOD = "method"
UNBIASED_COIN = 0.25
COLORS = {"method": "#0072b2", "unfiltered": "#999999", "shuffled": "#d55e00"}
"""Arms that the figure shows."""

Run = dict[str, Any]
Prompts = dict[str, dict[str, Any]]


class Results:
    """The runs of the study, by arm.

    Args:
        runs: Results of each arm's loop, with `arm` and `seed`.
        prompts: Result of `best_prompts`.
    """

    def __init__(self, runs: Sequence[Run], prompts: Prompts) -> None:
        self.prompts = prompts
        self.arms: dict[str, list[Run]] = {
            arm.name: sorted(
                (r for r in runs if r["arm"] == arm.name), key=lambda r: int(r["seed"])
            )
            for arm in ARMS
        }
        self.method = self.arms[METHOD]
        self.last = len(self.method[0]["iterations"]) - 1
        self.n = self.method[0]["iterations"][0]["n"]
        self.best = max(prompts, key=lambda way: float(prompts[way]["both_orders"]))

    def end(self, arm: str) -> list[float]:
        """Both-order accuracy on gold pairs after the last iteration, by seed."""
        return [run["iterations"][-1]["both_orders"] for run in self.arms[arm]]

    def mean_end(self, arm: str) -> float:
        """Its mean over the seeds."""
        return mean(self.end(arm))

    def first_position(self, arm: str) -> list[float]:
        """Share of verdicts after the last iteration that name the answer shown first, by seed."""
        return [run["iterations"][-1]["first_position"] for run in self.arms[arm]]

    def way(self, start: str) -> dict[str, Any]:
        """The figures of the way of asking whose name begins with `start`."""
        return next(found for name, found in self.prompts.items() if name.startswith(start))

    def trainings(self, arm: str, figure: str) -> list[str]:
        """A figure of each iteration's training, with the seeds separated by a slash."""
        form = "{:.2f}" if figure != "examples" else "{}"
        seeds = [run["trainings"] for run in self.arms[arm]]
        return [
            " / ".join(
                "–" if each[at][figure] is None else form.format(each[at][figure])
                for each in seeds
                if at < len(each)
            )
            for at in range(self.last)
        ]

    def held_out(self, arm: str) -> list[str]:
        """Both-order accuracy on held-out synthetic pairs by iteration, the mean over the seeds."""
        seeds = [run["iterations"] for run in self.arms[arm]]
        shortest = min(map(len, seeds))
        return [f"{mean(each[at]['validation'] for each in seeds):.3f}" for at in range(shortest)]

    def by_category(self) -> list[tuple[str, int, list[float]]]:
        """The method on gold pairs by category and iteration, the mean over the seeds."""
        first = self.method[0]["iterations"][0]["categories"]
        return [
            (
                name,
                count,
                [
                    mean(run["iterations"][at]["categories"][name][0] for run in self.method)
                    for at in range(self.last + 1)
                ],
            )
            for name, (_, count) in first.items()
        ]

    def closed(self, arm: str) -> float:
        """Both-order accuracy at the end on closed gold pairs, the mean over the seeds."""
        found = []
        for run in self.arms[arm]:
            categories = run["iterations"][-1]["categories"]
            groups = [group for name, group in categories.items() if name.startswith("closed/")]
            found.append(sum(share * n for share, n in groups) / sum(n for _, n in groups))
        return mean(found)

    def unplanted(self, arm: str) -> dict[str, float]:
        """The last judge on mistakes that synthesis does not plant, the mean over the seeds."""
        found = [run["unplanted"][-1] for run in self.arms[arm]]
        return {name: mean(one[name][0] for one in found) for name in found[0]}

    def sight(self, which: int) -> dict[str, float]:
        """Stated sight of the method's judge, before (0) and after (1) the loop."""
        shares = [run["sight"][which] for run in self.method]
        return {kind: mean(share[kind] for share in shares) for kind in KINDS}

    def claims(self) -> list[tuple[str, bool, str]]:
        """Possible claims, whether each holds, and the figures."""
        base, best = self.way("judge: …, its letter")["both_orders"], self.prompts[self.best]
        ends, shuffled = self.end(METHOD), self.end("shuffled")
        gaps = [one - other for one, other in zip(ends, shuffled, strict=False)]
        best_end = max(ends)
        return [
            ("under `judge:` the base is below 0.15", base < 0.15, _listed([base])),
            ("the method ends at 0.85 or more", min(ends) >= 0.85, _listed(ends)),
            (
                "the method ends above the untrained base under its best prompt",
                min(ends) > best["both_orders"],
                f"{best_end:.3f} at best; the base {best['both_orders']:.3f} ({self.best})",
            ),
            (
                "unfiltered traces stay below 0.15",
                max(self.end("unfiltered")) < 0.15,
                _listed(self.end("unfiltered")),
            ),
            (
                "shuffled preferences end at least 0.2 below the method, on average over the seeds",
                mean(gaps) >= 0.2,
                f"{mean(gaps):.3f} below; they end at {_listed(shuffled)}",
            ),
            (
                "with 30 % of the labels wrong the method still ends at 0.85 or more",
                min(self.end("noise_30")) >= 0.85,
                _listed(self.end("noise_30")),
            ),
            (
                "the majority is no worse than the correct answer (the paper's Figure 4)",
                self.closed("majority") >= self.closed("correct"),
                f"closed pairs: {self.closed('majority'):.3f} and {self.closed('correct'):.3f}",
            ),
        ]


def write_page(runs: Sequence[Run], prompts: Prompts, docs: Path) -> None:
    """Writes the page and its figure.

    Args:
        runs: Results of each arm's loop, with `arm` and `seed`.
        prompts: Result of `best_prompts`.
        docs: Folder for results.md and images/results.svg.
    """
    found = Results(runs, prompts)
    (docs / "images").mkdir(parents=True, exist_ok=True)
    draw(found, docs / "images" / "results.svg")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True, keep_trailing_newline=True)  # fmt: skip
    environment.filters |= {"three": "{:.3f}".format, "listed": _listed}
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        found=found, arms=ARMS, kinds=KINDS, cell=_cell, described=_described
    )
    (docs / "results.md").write_text(page, encoding="utf-8")


def _cell(row: Run) -> str:
    if "both_orders" not in row:
        return "–"
    return (f"**{row['both_orders']:.3f}** [{row['low']:.3f}, {row['high']:.3f}] "
            f"({row['accuracy']:.3f})")  # fmt: skip


def _described(arm: Arm) -> str:
    """The changes of an arm, as configuration values."""
    changes = [f"`{name}: {value}`" for name, value in arm.changes.items()]
    if arm.noise:
        changes.append(f"the answers of {arm.noise:.0%} of the training pairs change places")
    if arm.pairs:
        changes.append("closed questions alone")
    if arm.pairs == "correct":
        changes.append("pairs whose majority is not the correct answer are left out")
    if arm.pairs == "majority, cut":
        changes.append("as many pairs as `correct answer` has")
    return "; ".join(changes) or "nothing"


def _listed(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def draw(found: Results, path: Path) -> None:
    """Draws held-out accuracy by iteration of three arms, and the base under its best prompt."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "judgeloop", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, color in COLORS.items():
        runs = found.arms[name]
        label = next(arm.label for arm in ARMS if arm.name == name)
        series = [[row["validation"] for row in run["iterations"]] for run in runs]
        for values in series:
            axes.plot(range(len(values)), values, color=color, alpha=0.35, linewidth=1)
        middle = [mean(values) for values in zip(*series, strict=True)]
        axes.plot(range(len(middle)), middle, color=color, marker="o", linewidth=2.2, label=label)
    axes.axhline(UNBIASED_COIN, color="#555555", linestyle="--", linewidth=1,
                 label="coin without position bias")  # fmt: skip
    axes.set(xlabel="iteration", ylabel="right in both orders, held-out pairs", ylim=(0, 1))
    axes.set_xticks(range(found.last + 1))
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
