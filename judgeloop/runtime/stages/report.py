"""Stage `report`: shows what a loop did, whether it ended well or not."""

from __future__ import annotations

import logging

from judgeloop.report.benchmark_table import table_files
from judgeloop.report.charts import draw_charts
from judgeloop.report.gallery import Gallery, draw_gallery
from judgeloop.report.page import html_page, markdown_page, story_table
from judgeloop.report.story import Story, read_story
from judgeloop.report.summary import summary, table
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import Config
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Record, to_json
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary

log = logging.getLogger(__name__)


class Report(Record, frozen=True, kw_only=True):
    """Keys of the report's files in the store."""

    html: str
    markdown: str
    summary: str
    table: str


def report(
    config: Config, store: Store, ledger: Ledger, images: ImageLibrary, status: str
) -> Report:
    """Writes report.html, report.md and summary.json below `loops/<loop id>/report/`.

    Where named benchmarks were judged, their table lies beside as benchmarks.md and benchmarks.tex.

    It runs as the exit handler too, so it shows what there is: an empty or failed loop gets a page
    that says what failed, and a gallery that can't be drawn is left out with the reason.

    Args:
        config: The loop's configuration; `config.report` says what is shown.
        store: The loop's store.
        ledger: The loop's ledger.
        images: Opens the gallery's images.
        status: How the pipeline ended, such as `SUCCEEDED`; empty if unknown.

    Raises:
        DataError, StoreError: The ledger cannot be read, or the report cannot be written.
    """
    story = read_story(ledger, status)
    gallery, trouble = _gallery(story, config, store, images)
    charts = draw_charts(story)
    folder = f"loops/{ledger.loop_id}/report"
    files = Report(
        html=f"{folder}/report.html",
        markdown=f"{folder}/report.md",
        summary=f"{folder}/summary.json",
        table=f"{folder}/table.txt",
    )
    store.write(files.html, html_page(story, config, charts, gallery, trouble).encode())
    store.write(files.markdown, markdown_page(story, config).encode())
    store.write(files.summary, to_json(summary(story)) + b"\n")
    store.write(files.table, table(story).encode() + b"\n")
    for name, text in table_files(story_table(story)).items():
        store.write(f"{folder}/{name}", text.encode())
    log.info("report loop=%s status=%s page=%s/%s", ledger.loop_id, status, store.uri, files.html)
    return files


def _gallery(
    story: Story, config: Config, store: Store, images: ImageLibrary
) -> tuple[Gallery | None, str]:
    try:
        return draw_gallery(story, store, images, config.report, config.loop.seed), ""
    except JudgeLoopError as error:
        log.warning("the report has no gallery: %s", error)
        return None, str(error)
