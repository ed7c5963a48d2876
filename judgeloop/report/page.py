"""Renders a loop's history with templates: one self-contained HTML page, and Markdown."""

from __future__ import annotations

from collections import Counter

from markupsafe import Markup

from judgeloop.evaluation.giveaway import explain_giveaway
from judgeloop.evaluation.statistics import wilson
from judgeloop.report.attack_table import attack_rows
from judgeloop.report.benchmark_curves import benchmark_curves
from judgeloop.report.benchmark_table import BenchmarkTable, as_markdown, benchmark_table
from judgeloop.report.bias import bias_rows
from judgeloop.report.drawing import Chart
from judgeloop.report.environment import page_environment
from judgeloop.report.gallery import Gallery
from judgeloop.report.history import Estimate, Iteration, LoopHistory, Task
from judgeloop.report.prediction import prediction
from judgeloop.report.retention import losses, retention
from judgeloop.report.shortcut_table import shortcut_rows
from judgeloop.report.summary import NONE
from judgeloop.report.this_run import REASONS, this_run
from judgeloop.report.yields import yields
from judgeloop.runtime.ledger import AFTER_LOOP
from judgeloop.runtime.stage_settings import ReportSettings
from judgeloop.schema import results
from judgeloop.schema.records import Record


class Step(Record, frozen=True, kw_only=True):
    """One bar of a funnel."""

    label: str
    count: int
    share: float
    """Share of the widest bar."""
    lost: str
    """Losses before this step, by reason."""
    note: str = ""
    """Explanation of the count, where the label is not enough."""


def html_page(
    history: LoopHistory,
    config: ReportSettings,
    charts: list[Chart],
    gallery: Gallery | None,
    gallery_error: str = "",
) -> str:
    """Returns the page; it loads no external resource and runs no script.

    Args:
        history: The loop's history.
        config: The loop's configuration.
        charts: Drawn by `charts.draw_charts`.
        gallery: Drawn by `gallery.draw_gallery`.
        gallery_error: Why there is no gallery.
    """
    environment = page_environment(escape=True)
    drawings = {chart.name: (chart, Markup(chart.svg)) for chart in charts}
    return environment.get_template("template.html.jinja").render(
        _content(history, config), drawings=drawings, gallery=gallery, gallery_error=gallery_error
    )


def markdown_page(history: LoopHistory, config: ReportSettings) -> str:
    """Returns the report without charts and images as Markdown."""
    environment = page_environment(escape=False)
    return environment.get_template("template.md.jinja").render(_content(history, config))


def _content(history: LoopHistory, config: ReportSettings) -> dict[str, object]:
    benchmarks = history_table(history)
    return {
        "history": history,
        "config": config,
        "headline": headline(history),
        "facts": facts(history),
        "control": config.filtering.keep if config.filtering.keep != "agreeing" else "",
        "funnels": [(item, funnel(item)) for item in history.iterations if item.filtered],
        "yields": yields(history),
        "kinds": retention(history),
        "losses": losses(history),
        "shortcuts": shortcut_rows(history),
        "attacks": attack_rows(history),
        "categories": categories(history),
        "prediction": prediction(history),
        "benchmarks": benchmarks,
        "curves": benchmark_curves(history),
        "bias": bias_rows(history),
        "benchmarks_markdown": as_markdown(benchmarks).strip() if benchmarks else "",
        "undecided": undecided_reasons(history),
        "this_run": this_run(history, config),
        "reasons": REASONS,
        "finished": finished(history),
        "dash": NONE,
        "when": when,
    }


def headline(history: LoopHistory) -> str:
    """Returns one sentence on how the loop ended."""
    promotion = history.promotion
    if history.failures:
        task = history.failures[0]
        more = f", and {len(history.failures) - 1} more" if len(history.failures) > 1 else ""
        return f"The loop failed in {task.stage.replace('_', ' ')}, {when(task)}{more}."
    if history.status == "CANCELED":
        return "The run was cancelled."
    if history.failed:
        return f"The pipeline ended as {history.status}, though no task recorded an error."
    if promotion is None:
        done = len(history.evaluated)
        return f"The loop has not finished; {done} model{'s' * (done != 1)} evaluated so far."
    said = "No version was promoted"
    if promotion.candidate:
        said = f"Version {promotion.candidate} was {'' if promotion.promoted else 'not '}promoted"
    if promotion.promoted:
        return f"{said} to champion."
    if promotion.champion:
        return f"{said}; version {promotion.champion} stays champion."
    return f"{said}; there is no champion."


def facts(history: LoopHistory) -> list[str]:
    """Returns a few sentences on why the loop ended and how the judges scored."""
    found = []
    promotion = history.promotion
    if promotion and promotion.reason:
        found.append(_sentence(promotion.reason))
    start, judge = next(iter(history.evaluated), None), history.judge
    if start and start.gold and judge and judge.gold:
        text = f"On {judge.gold.n} gold pairs the {_model(judge.number)} is right in both orders "
        text += f"for {_percent(judge.gold.both_orders)}"
        if judge.number != start.number:
            text += f"; the {_model(start.number)} was for {_percent(start.gold.both_orders)}"
        found.append(text + ".")
    trained = max((item.number for item in history.iterations if item.trained), default=0)
    if history.stop and not history.failures:
        number, reason = history.stop
        found.append(_sentence(f"the loop stopped after iteration {number}: {reason}"))
    elif trained:
        found.append(f"{trained} iteration{'s' * (trained != 1)} trained a judge.")
    return found


def funnel(item: Iteration) -> list[Step]:
    """Returns how many of an iteration's questions are left at each step down to the kept pairs."""
    found = item.filtered
    if found is None:
        return []
    decided = found.pairs - found.undecided
    once = decided - found.disagreeing
    unused = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in item.unused.items() if count
    )
    counted = [
        ("questions asked", item.questions, ""),
        ("pairs made", found.pairs, unused),
        ("decided in both orders", decided, _lost(found.undecided, "undecided")),
        ("right in one order at least", once, _lost(found.disagreeing, "wrong twice")),
    ]
    right, once_only = once - found.one_order, _lost(found.one_order, "right once only")
    if found.further:
        reasons = ", ".join(_lost(n, name.replace("_", " ")) for name, n in found.further.items())
        counted += [("right in both orders", right, once_only), ("kept", found.kept, reasons)]
    else:
        counted.append(("kept", found.kept, once_only))
    counted = [step for step in counted if step[1] or step[0] != "questions asked"]
    widest = max(count for _, count, _ in counted) or 1
    steps = [
        Step(label=label, count=count, share=count / widest, lost=lost)
        for label, count, lost in counted
    ]
    return [*steps, *_blind_step(found, widest)]


def _blind_step(found: results.Funnel, widest: int) -> list[Step]:
    """Returns how often the rejected answer was guessed from its wording, without the image."""
    guesses, right = found.blind_guesses, found.blind_right
    if not guesses:
        return []
    likely = wilson(right, guesses)
    note = (
        f"{right / guesses:.3f} [{likely.low:.3f}, {likely.high:.3f}] of {guesses} guesses that "
        "see no picture; chance is 0.5"
    )
    if explain_giveaway(guesses, right) is not None:
        note = f"WARNING: above chance. {note}"
    label = "guessed from wording alone"
    return [Step(label=label, count=right, share=right / widest, lost="", note=note)]


def history_table(history: LoopHistory) -> BenchmarkTable | None:
    """Returns the table of the named benchmarks, one row per iteration."""
    return benchmark_table(
        [
            (_model(item.number), item.gold.manifest.expect(results.Scores))
            for item in history.evaluated
            if item.gold
        ]
    )


def categories(history: LoopHistory) -> dict[str, dict[int, tuple[int, Estimate]]]:
    """Returns n and both-order accuracy on gold by category and iteration."""
    found: dict[str, dict[int, tuple[int, Estimate]]] = {}
    for item in history.evaluated:
        for category in item.gold.categories if item.gold else ():
            cell = (category.n, category.estimate)
            found.setdefault(category.name, {})[item.number] = cell
    return dict(sorted(found.items()))


def undecided_reasons(history: LoopHistory) -> dict[int, dict[str, int]]:
    """Returns why training judgements stayed undecided, by iteration."""
    return {
        item.number: item.undecided for item in history.iterations if item.undecided is not None
    }


def finished(history: LoopHistory) -> dict[str, list[str]]:
    """Returns the stages that finished, with the number of their tasks, by place in the loop."""
    found: dict[str, Counter[str]] = {}
    for task in history.tasks:
        if task.manifest:
            found.setdefault(when(task), Counter())[task.stage.replace("_", " ")] += 1
    return {
        place: [
            f"{stage} ({count} parts)" if count > 1 else stage for stage, count in stages.items()
        ]
        for place, stages in found.items()
    }


def when(task: Task) -> str:
    """Returns a task's place in the loop, in words."""
    if task.iteration == AFTER_LOOP:
        return "after the loop"
    return f"iteration {task.iteration}" if task.iteration else "before the first iteration"


def _lost(count: int, word: str) -> str:
    return f"{count} {word}" if count else ""


def _model(number: int) -> str:
    return f"judge of iteration {number}" if number else "start model"


def _percent(estimate: Estimate) -> str:
    text = f"{estimate.value:.1%}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} (95 % interval {estimate.low:.1%} to {estimate.high:.1%})"


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
