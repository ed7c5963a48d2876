"""What a person can look at before judging costs anything, and the yields that a report shows."""

from pathlib import Path

from judgeloop.report.charts import draw_charts
from judgeloop.report.contact_sheet import PAIRS
from judgeloop.report.history import read_history
from judgeloop.report.page import html_page, markdown_page
from judgeloop.runtime.stage_table import stage_names
from judgeloop.runtime.stages import synthesize as stage
from judgeloop.schema.records import ModelRef
from judgeloop.store import FolderStore
from tests.history_fixture import SampleLoop
from tests.unit.test_synthesize import UNCLEAR, configured, pool


class Watched(FolderStore):
    """A store that remembers in which order its objects were written."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[str] = []

    def write(self, key: str, data: bytes) -> None:
        self.written.append(key)
        super().write(key, data)

    def create(self, key: str, data: bytes) -> bool:
        self.written.append(key)
        return super().create(key, data)


def test_the_contact_sheet_is_there_before_the_pairs_are_handed_on(tmp_path: Path) -> None:
    store = Watched(tmp_path)
    questions = pool(store, "p000", 60, 10)
    made = stage.synthesize(configured(), store, 1, 0, questions, UNCLEAR)
    sheet = made.details["contact_sheet"]
    assert made.rows > PAIRS
    assert store.read(sheet).count(b"<article>") == PAIRS
    # Judging needs the manifest, and that is written last.
    assert store.written.index(sheet) < store.written.index(f"synthesize/{made.key}/manifest.json")
    assert stage_names().index("synthesize") < stage_names().index("judge")


def test_the_counts_say_for_each_kind_and_error_what_became_of_every_question(
    tmp_path: Path,
) -> None:
    store, clearer = FolderStore(tmp_path), ModelRef(base="scripted:answer_skill=0.9")
    made = stage.synthesize(configured(), store, 1, 0, pool(store, "p000", 60, 10), clearer)
    assert made.dropped["unanimous"] > 0
    counted = {name: n for name, n in made.counts.items() if name.startswith("yield/")}
    assert sum(counted.values()) == made.counts["inputs"] == 60
    assert counted["yield/number: vote/pair"] == made.rows
    lost = {name.rpartition("/")[2]: n for name, n in counted.items() if not name.endswith("/pair")}
    assert lost == made.dropped


def test_the_report_shows_yields_by_what_was_tried_and_why_there_was_no_pair(
    tmp_path: Path,
) -> None:
    loop = SampleLoop(tmp_path).whole()
    counts = {
        "inputs": 9, "rows": 5, "yield/caption: first colour/pair": 3,
        "yield/caption: first colour/unchanged": 2, "yield/caption: count/too_long": 1,
        "yield/number: vote/pair": 2, "yield/number: vote/unanimous": 1,
    }  # fmt: skip
    loop.done("synthesize", 3, partition=0, counts=counts)
    history = read_history(loop.ledger, "SUCCEEDED")
    page = html_page(history, loop.config, draw_charts(history), None)
    assert '<th scope="row">caption: first colour</th><td class="number">5</td>' in page
    assert "<td>2 unchanged</td>" in page
    assert "<td>1 too long</td>" in page
    text = markdown_page(history, loop.config)
    assert "| caption: count | 1 | 0 | 1 too long |" in text
    assert "| number: vote | 3 | 2 | 1 unanimous |" in text
