"""Writes docs/results.md and its figure from the runs of `benchmarks.results`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import jinja2

from benchmarks.sight import KINDS, sight_shares
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.records import Example, Manifest, Order
from judgeloop.schema.results import Funnel, Scores
from judgeloop.store import Store, open_store
from judgeloop.store.shards import read_records

TEMPLATE = Path(__file__).with_name("results.md.jinja")
LABELS = {
    "agreeing": "method",
    "unfiltered": "unfiltered traces",
    "shuffled": "shuffled preferences",
}
METHOD = "agreeing"
COLOURS = {"agreeing": "#0072b2", "unfiltered": "#999999", "shuffled": "#d55e00"}
UNBIASED_COIN = 0.25

Run = dict[str, Any]


def write_page(runs: Sequence[Run], out: Path, docs: Path) -> None:
    """Writes the page and its figure.

    Args:
        runs: Summaries with `arm`, `seed` and `folder`.
        out: The study's folder with the store.
        docs: Where results.md and images/results.svg go.
    """
    (docs / "images").mkdir(parents=True, exist_ok=True)
    _draw(runs, docs / "images" / "results.svg")
    store = open_store(str(out / "store"))
    ledgers = {(r["arm"], r["seed"]): Ledger(store, r["loop_id"]) for r in runs}
    evaluated = {key: ledger.manifests("evaluate") for key, ledger in ledgers.items()}
    method = [found for (arm, _), found in sorted(evaluated.items()) if arm == METHOD]
    last = max(method[0])
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True, keep_trailing_newline=True)  # fmt: skip
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        runs=runs, labels=LABELS, last=last, both=_both, cell=_cell,
        runs_of={arm: [run for run in runs if run["arm"] == arm] for arm in LABELS},
        n=runs[0]["iterations"][0]["n"],
        kept=_kept_examples(ledgers, last), right=_right_examples(store, ledgers, last),
        categories=_categories(method, last),
        baselines=method[0][0][0].expect(Scores).baselines, kinds=KINDS,
        sight={i: sight_shares(store, [m[i][0] for m in method]) for i in (0, last)},
        verdicts=_verdicts(runs),
    )  # fmt: skip
    (docs / "results.md").write_text(page, encoding="utf-8")


def _both(runs: Sequence[Run], arm: str, iteration: int) -> float:
    """Both-order accuracy of an arm, the mean over the seeds that all arms have."""
    seeds = set.intersection(*({r["seed"] for r in runs if r["arm"] == name} for name in LABELS))
    return mean(
        r["iterations"][iteration]["both_orders"]
        for r in runs
        if r["arm"] == arm and r["seed"] in seeds
    )


def _cell(item: dict[str, Any]) -> str:
    return (f"**{item['both_orders']:.3f}** [{item['both_orders_low']:.3f}, "
            f"{item['both_orders_high']:.3f}] ({item['accuracy']:.3f})")  # fmt: skip


def _verdicts(runs: Sequence[Run]) -> list[tuple[str, bool, str]]:
    """What was promised, whether it holds, and the figures."""
    rows = {(r["arm"], r["seed"]): r["iterations"] for r in runs}
    method = [found for (arm, _), found in sorted(rows.items()) if arm == METHOD]
    base = [found[0]["both_orders"] for found in method]
    chosen = [_chosen(found)["both_orders"] for found in method]
    unfiltered, shuffled = (
        {
            seed: found[-1]["both_orders"]
            for (name, seed), found in sorted(rows.items())
            if name == arm
        }
        for arm in ("unfiltered", "shuffled")
    )
    gaps = [rows[METHOD, seed][-1]["both_orders"] - end for seed, end in shuffled.items()]
    return [
        ("the base is below 0.15", max(base) < 0.15, _list(base)),
        (
            "the method reaches 0.70 within four iterations (the version that validation chose)",
            min(chosen) >= 0.7,
            _list(chosen),
        ),
        ("the aim: 0.85", min(chosen) >= 0.85, _list(chosen)),
        (
            "unfiltered traces stay below 0.15 as well",
            max(unfiltered.values()) < 0.15,
            _list(list(unfiltered.values())),
        ),
        (
            "shuffled preferences end at least 0.2 below the method, on average over the seeds",
            mean(gaps) >= 0.2,
            f"{mean(gaps):.3f} ({_list(gaps)}) below; they end at {_list(list(shuffled.values()))}",
        ),
    ]


def _chosen(iterations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The trained version that held-out synthetic pairs choose, the earliest of equals."""
    return max(iterations[1:], key=lambda row: row["validation_both_orders"])


def _list(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def _kept_examples(ledgers: dict[tuple[str, int], Ledger], last: int) -> dict[str, list[str]]:
    """Examples trained on, by arm and iteration, one figure a seed."""
    found: dict[str, list[str]] = {}
    for arm in LABELS:
        counts = [
            [m[0].expect(Funnel).examples for m in ledger.manifests("filter").values()]
            for (name, _), ledger in sorted(ledgers.items())
            if name == arm
        ]
        found[arm] = [" / ".join(str(c[i]) for c in counts) for i in range(last)]
    return found


def _right_examples(
    store: Store, ledgers: dict[tuple[str, int], Ledger], last: int
) -> dict[str, list[str]]:
    """Share of examples that name the pair's preferred answer, by arm and iteration, a seed each.

    The preference is the one that synthesis made, whatever the arm's filter was told.
    """
    found: dict[str, list[str]] = {}
    for arm in LABELS:
        filtered = [
            ledger.manifests("filter") for (name, _), ledger in sorted(ledgers.items())
            if name == arm
        ]  # fmt: skip
        found[arm] = [
            " / ".join(f"{_right_share(store, seed[i][0]):.2f}" for seed in filtered)
            for i in range(1, last + 1)
        ]
    return found


def _right_share(store: Store, examples: Manifest) -> float:
    right = []
    for example in read_records(store, examples, Example):
        order = example.id.rsplit("/", 2)[1]
        says_first = example.completion.strip().endswith("A")
        right.append(says_first == (order == Order.CHOSEN_FIRST))
    return mean(right)


def _categories(
    method: Sequence[dict[int, list[Manifest]]], last: int
) -> list[tuple[str, int, list[float]]]:
    """Both-order accuracy by category and iteration, the mean over seeds."""
    cards = [[seed[i][0].expect(Scores).card for seed in method] for i in range(last + 1)]
    return [
        (
            name,
            score.n,
            [mean(card.categories[name].both_orders for card in each) for each in cards],
        )
        for name, score in cards[0][0].categories.items()
    ]


def _draw(runs: Sequence[Run], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "judgeloop", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4))
    for arm, label in LABELS.items():
        series = [[i["both_orders"] for i in r["iterations"]] for r in runs if r["arm"] == arm]
        steps = range(len(series[0]))
        for values in series:
            axes.plot(steps, values, color=COLOURS[arm], alpha=0.35, linewidth=1)
        middle = [mean(values) for values in zip(*series, strict=True)]
        axes.plot(steps, middle, color=COLOURS[arm], marker="o", linewidth=2.2, label=label)
    axes.axhline(UNBIASED_COIN, color="#555555", linestyle="--", linewidth=1,
                 label="coin without position bias")  # fmt: skip
    axes.set(xlabel="iteration", ylabel="right in both orders", ylim=(0, 1))
    axes.set_xticks(range(len(middle)))
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
