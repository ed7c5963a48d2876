"""The report: the history of whole, failed and empty loops, and that its pages are safe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.ops.outcome import read_outcome
from judgeloop.report import thumbnails
from judgeloop.report.charts import draw_charts
from judgeloop.report.gallery import draw_gallery
from judgeloop.report.history import LoopHistory, read_history
from judgeloop.report.markdown import markdown_cell
from judgeloop.report.page import funnel, headline, html_page, markdown_page
from judgeloop.report.summary import NONE, summary, table
from judgeloop.runtime.ledger import AFTER_LOOP, Entry
from judgeloop.runtime.stages.report import report
from judgeloop.schema.config import load_config
from judgeloop.schema.results import Scores
from judgeloop.store.shards import finished
from tests.conftest import REPOSITORY
from tests.history_fixture import HOSTILE, ITEMS, SampleLoop

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
STARVED = "filtering left 8 examples, filtering.min_examples is 32.\nSecond <b>line</b> ```"


class Elements(HTMLParser):
    """Collects what a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SampleLoop:
    return SampleLoop(tmp_path_factory.mktemp("whole")).whole()


@pytest.fixture
def failed(tmp_path: Path) -> SampleLoop:
    loop = SampleLoop(tmp_path)
    loop.start()
    loop.iteration(1)
    loop.synthesis(2)
    loop.failure("filter", 2, STARVED)
    return loop


def history_of(loop: SampleLoop, status: str = "SUCCEEDED") -> LoopHistory:
    return read_history(loop.ledger, status)


def pages(loop: SampleLoop, status: str) -> tuple[str, str, dict[str, Any]]:
    files = report(loop.config, loop.store, loop.ledger, "hash", loop.images, status)
    html, markdown, figures = map(loop.store.read, (files.html, files.markdown, files.summary))
    return html.decode(), markdown.decode(), json.loads(figures)


def test_the_summary_has_a_row_for_every_evaluated_iteration(whole: SampleLoop) -> None:
    found = summary(history_of(whole))
    assert [row["iteration"] for row in found["iterations"]] == [0, 1, 2, 3]
    assert [row["kept_share"] for row in found["iterations"]] == [None, 0.215, 0.295, 0.375]
    assert found["champion_version"] == "3"
    assert found["stopped_because"] == "loop.iterations (3) is reached"
    for row in found["iterations"]:
        assert row["n"] == ITEMS
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
        assert row["both_orders_low"] <= row["both_orders"] <= row["both_orders_high"]


def test_an_iteration_that_was_not_evaluated_is_in_the_table_only(failed: SampleLoop) -> None:
    history = history_of(failed, "FAILED")
    assert [row["iteration"] for row in summary(history)["iterations"]] == [0, 1]
    assert re.search(r"^2 +– ", table(history), flags=re.MULTILINE)


def test_the_table_has_intervals_undecided_counts_and_baselines(whole: SampleLoop) -> None:
    lines = table(history_of(whole)).splitlines()
    gold = history_of(whole).evaluated[3].gold
    assert gold is not None
    (row,) = [line for line in lines if line.startswith("3 ")]
    share, low, high = gold.accuracy.value, gold.accuracy.low, gold.accuracy.high
    assert f"{share:.3f} [{low:.3f}, {high:.3f}]" in row
    assert row.split()[1:3] == [str(ITEMS), str(gold.undecided_count)]
    assert [line.split("  ")[0] for line in lines if line.endswith("baseline")] == [
        "always first",
        "longer",
        "random",
    ]
    assert max(map(len, lines)) <= 100


def test_the_funnel_says_what_a_judge_without_the_picture_can_tell(whole: SampleLoop) -> None:
    step = funnel(history_of(whole).iterations[1])[-1]
    assert (step.label, step.count) == ("guessed from wording alone", 65)
    assert step.note.startswith("WARNING: above chance. 0.650 [0.553, 0.736] of 100 guesses")
    html, markdown, _ = pages(whole, "SUCCEEDED")
    assert step.note in html
    assert "chance is 0.5" in markdown


def test_counts_of_partitions_are_added_up(whole: SampleLoop) -> None:
    steps = funnel(history_of(whole).iterations[1])
    assert [(step.label, step.count) for step in steps] == [
        ("questions asked", 1200),
        ("pairs made", 400),
        ("decided in both orders", 394),
        ("right in one order at least", 246),
        ("kept", 86),
        ("guessed from wording alone", 65),
    ]
    assert steps[1].lost == "120 tie, 620 unanimous, 60 unchanged"
    assert history_of(whole).seconds()["judge"] == pytest.approx(75)
    assert history_of(whole).left_out()["ingest", "truncated_image"] == 3


def test_the_judge_that_counts_is_the_candidate_of_the_gate(tmp_path: Path) -> None:
    loop = SampleLoop(tmp_path)
    loop.start()
    for number in (1, 2):
        loop.iteration(number)
    last = history_of(loop).judge
    loop.promotion("refuse", "too close", candidate="1")
    chosen = history_of(loop).judge
    assert (last and last.number, chosen and chosen.number) == (2, 1)


@pytest.mark.parametrize(
    ("build", "status", "expected"),
    [
        (lambda loop: loop.whole(), "SUCCEEDED", "Version 3 was promoted to champion."),
        (
            lambda loop: loop.promotion("refuse", "too close"),
            "SUCCEEDED",
            "Version 3 was not promoted; there is no champion.",
        ),
        (
            lambda loop: loop.promotion("refuse", "too close", champion="2"),
            "SUCCEEDED",
            "Version 3 was not promoted; version 2 stays champion.",
        ),
        (
            lambda loop: loop.promotion("refuse", "all chance", candidate="", champion="2"),
            "SUCCEEDED",
            "No version was promoted; version 2 stays champion.",
        ),
        (
            lambda loop: loop.failure("hold_out", 0, "no image"),
            "FAILED",
            "The loop failed in hold out, before the first iteration.",
        ),
        (
            lambda loop: loop.failure("promote", AFTER_LOOP, "no server"),
            "",
            "The loop failed in promote, after the loop.",
        ),
        (
            lambda loop: None,
            "CANCELLED",
            "The pipeline ended as CANCELLED, though no task recorded an error.",
        ),
        (
            lambda loop: loop.start(),
            "",
            "The loop has not finished; 1 model evaluated so far.",
        ),
    ],
)
def test_the_headline_says_how_the_loop_ended(
    build: Callable[[SampleLoop], None], status: str, expected: str, tmp_path: Path
) -> None:
    loop = SampleLoop(tmp_path)
    build(loop)
    assert headline(history_of(loop, status)) == expected


def test_a_failed_loop_shows_the_error_and_what_was_finished(failed: SampleLoop) -> None:
    html, markdown, figures = pages(failed, "FAILED")
    for text in (Elements(html).text, markdown):
        assert "The loop failed in filter, iteration 2." in text
        assert "filtering left 8 examples" in text
        assert "Second <b>line</b> ```" in text
        assert "same loop id" in text
        assert "synthesize (2 parts), judge (2 parts)" in text
    assert "    Second <b>line</b> ```" in markdown.splitlines()  # a code block: nothing is markup
    assert "b" not in Elements(html.split("What failed")[1].split("</pre>")[0]).tags
    assert figures["champion_version"] is None
    assert figures["stopped_because"] == (
        "task 002-filter failed: filtering left 8 examples, filtering.min_examples is 32."
    )


def test_a_task_that_went_well_when_run_again_is_no_failure(failed: SampleLoop) -> None:
    failed.iteration(2)
    assert not history_of(failed).failed


def test_a_loop_that_ran_out_of_compiled_iterations_says_so(tmp_path: Path) -> None:
    loop = SampleLoop(tmp_path)
    loop.start()
    loop.iteration(1)
    loop.iteration(2)
    assert history_of(loop).stopped_because == ""  # it may still go on
    loop.promotion("refuse", "too close", candidate="2")
    html, markdown, figures = pages(loop, "SUCCEEDED")
    for text in (html, markdown, str(figures["stopped_because"])):
        assert "compiled for 2 iteration(s)" in text
        assert "ITERATIONS" in text


def test_a_starved_loop_names_the_gate_that_stopped_it(tmp_path: Path) -> None:
    loop = SampleLoop(tmp_path)
    loop.start()
    loop.synthesis(1)
    loop.failure("enough", 1, STARVED)
    html, _, figures = pages(loop, "FAILED")
    assert "No task recorded an error" not in html
    assert str(figures["stopped_because"]).startswith("task 001-enough failed: filtering left 8")


def test_gold_rows_that_were_left_out_are_counted_once(whole: SampleLoop) -> None:
    assert history_of(whole).left_out()["gold", "bad_record"] == 1  # of four evaluations
    html, markdown, _ = pages(whole, "SUCCEEDED")
    assert '<th scope="row">gold</th><td>bad record</td>' in html
    assert "| gold | bad\\_record | 1 |" in markdown


def test_a_judge_that_decided_nothing_has_no_first_position(tmp_path: Path) -> None:
    loop = SampleLoop(tmp_path)
    loop.start()
    for stage in ("validate", "evaluate"):
        (made,) = loop.ledger.manifests(stage)[0]
        scores = made.expect(Scores)
        card = msgspec.structs.replace(scores.card, first_position=None)
        silent = msgspec.structs.replace(made, result=msgspec.structs.replace(scores, card=card))
        loop.ledger.record(Entry(stage=stage, iteration=0, manifest=silent))
    html, markdown, figures = pages(loop, "SUCCEEDED")
    assert figures["iterations"][0]["first_position"] is None
    assert f"<b>{NONE}</b><span>prefers the first answer" in html
    assert "Position bias" not in html
    assert "nan" not in markdown.lower()
    assert "first-position" not in [chart.name for chart in draw_charts(history_of(loop))]


def test_an_empty_ledger_gives_a_report_too(tmp_path: Path) -> None:
    html, markdown, figures = pages(SampleLoop(tmp_path), "FAILED")
    assert "The pipeline ended as FAILED" in html
    assert "Nothing." in markdown
    assert figures["iterations"] == []
    assert "<svg" not in html


def test_the_same_ledger_gives_the_same_bytes(tmp_path: Path) -> None:
    changes = (f"store={tmp_path}",)  # the page names the store
    first, second = (
        pages(SampleLoop(tmp_path / name, *changes).whole(), "SUCCEEDED") for name in "ab"
    )
    assert first == second


def test_text_of_models_and_data_never_becomes_markup(whole: SampleLoop) -> None:
    html, markdown, _ = pages(whole, "SUCCEEDED")
    page = Elements(html)
    assert page.text.count(HOSTILE) >= 4  # question, answer and both judgements
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script" not in markdown


def test_a_cell_of_a_markdown_table_holds_no_markup() -> None:
    assert markdown_cell("a\n|b| <i>") == "a \\|b\\| &lt;i&gt;"
    assert markdown_cell("![x](y) `z` &") == "\\!\\[x\\](y) \\`z\\` &amp;"


def test_the_page_refers_to_nothing_outside(whole: SampleLoop) -> None:
    html, _, _ = pages(whole, "SUCCEEDED")
    page = Elements(html)
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert {link.partition("/")[0] for link in links} >= {"data:image"}  # it does show pictures
    assert [link for link in links if not link.startswith(("data:", "#"))] == []
    assert not re.findall(r"url\((?!#)", html)
    assert not {"script", "iframe", "object", "embed", "base"} & set(page.tags)
    identifiers = [value for name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))  # charts refer to their own parts only


def test_every_chart_is_drawn_with_the_colours_of_the_page(whole: SampleLoop) -> None:
    charts = {chart.name: chart.svg for chart in draw_charts(history_of(whole))}
    assert list(charts) == ["accuracy", "first-position", "categories", "retention", "seconds"]
    for svg in charts.values():
        colours = set(re.findall(r"#[0-9a-f]{6}\b", svg))
        assert colours == set()
        assert "var(--hue-1)" in svg
    assert "unbiased coin" in charts["accuracy"]


def test_the_gallery_shows_first_what_the_start_model_got_wrong(whole: SampleLoop) -> None:
    history, settings = history_of(whole), whole.config.report
    gallery = draw_gallery(history, whole.store, whole.images, settings, seed=0)
    assert gallery is not None
    assert gallery.iteration == 3
    assert gallery.rights + gallery.wrongs == ITEMS
    assert len(gallery.right) == len(gallery.wrong) == settings.gallery
    assert all(card.base_was_right is False for card in gallery.right)
    assert all(all(part.right for part in card.readings) for card in gallery.right)
    assert not any(all(part.right for part in card.readings) for card in gallery.wrong)
    (thumbnail,) = gallery.right[0].thumbnails
    assert (thumbnail.width, thumbnail.height) == (192, 192)
    other = draw_gallery(history, whole.store, whole.images, settings, seed=1)
    assert other is not None
    assert other.wrong != gallery.wrong


def test_a_lost_image_leaves_a_gap_in_the_gallery(failed: SampleLoop) -> None:
    for key in failed.store.list("images"):
        failed.store.delete(key)
    html, _, _ = pages(failed, "FAILED")
    assert "image 1 of 1 can&#39;t be read" in html
    assert "img" not in Elements(html).tags


def test_thumbnails_stop_at_the_pages_limit_and_say_so(
    whole: SampleLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "LIMIT_BYTES", 6000)
    html, _, _ = pages(whole, "SUCCEEDED")
    shown = re.findall(r"data:image/[^\"]*", html)
    assert shown
    assert 3000 < sum(map(len, shown)) <= 6000
    assert "image 1 of 1 is left out: the page&#39;s thumbnails fill 6,000 B" in html


def test_lost_item_results_leave_out_the_gallery_with_the_reason(failed: SampleLoop) -> None:
    manifest = finished(failed.store, "gold", "gold-items")
    assert manifest is not None
    failed.store.delete(manifest.shards[0].key)
    html, _, _ = pages(failed, "FAILED")
    assert "The gallery could not be rendered" in html
    assert "How good is the judge?" in html


def test_the_table_of_bias_has_no_column_without_a_figure(whole: SampleLoop) -> None:
    page = Elements(html_page(history_of(whole), whole.config, [], None)).text
    assert "right if decidedconsistentfirst position" in page
    assert "calibration error" not in page
    assert "own (is better)" not in page


def test_a_loop_of_which_no_version_was_chosen_says_so_and_asks_the_champion(
    tmp_path: Path,
) -> None:
    loop = SampleLoop(tmp_path)
    loop.promotion("refuse", "all chance", candidate="", champion="2")
    found = read_outcome(loop.ledger, load_config(MICRO))
    assert found
    assert found.sentence == "no version was promoted: all chance"
    assert found.judge == "models:/judgeloop-micro@champion"


def test_a_control_run_says_so(tmp_path: Path) -> None:
    html, markdown, _ = pages(SampleLoop(tmp_path, "filtering.keep=shuffled").whole(), "SUCCEEDED")
    assert "This is a control run" in html
    assert "This is a control run" in markdown


def test_every_condition_of_the_gate_stands_in_the_report_with_its_figures(
    whole: SampleLoop,
) -> None:
    history = history_of(whole)
    charts = draw_charts(history)
    for page in (
        html_page(history, whole.config, charts, None),
        markdown_page(history, whole.config),
    ):
        assert "Gate decision" in page
        assert "no group falls" in page
        assert "0.69 is above 0" in page
        assert "By validation the best judge is that of iteration" in page
