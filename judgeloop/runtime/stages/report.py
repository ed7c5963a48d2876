"""Stage `report`: renders a loop's report, whether the loop succeeded or not."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from judgeloop.registry.client import TRACKING_URI
from judgeloop.registry.tracking import log_files, loop_run
from judgeloop.report.benchmark_table import table_files
from judgeloop.report.charts import draw_charts
from judgeloop.report.drawing import Chart
from judgeloop.report.gallery import Gallery, draw_gallery
from judgeloop.report.history import LoopHistory, read_history
from judgeloop.report.page import history_table, html_page, markdown_page
from judgeloop.report.summary import summary, table
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stage_settings import ReportSettings
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Record, to_json
from judgeloop.store import Store
from judgeloop.store.images import ImageLibrary
from judgeloop.store.scratch import scratch_folder

log = logging.getLogger(__name__)


class Report(Record, frozen=True, kw_only=True):
    """Keys of the report's files in the store."""

    html: str
    markdown: str
    summary: str
    table: str


def report(
    config: ReportSettings,
    store: Store,
    ledger: Ledger,
    loop_hash: str,
    images: ImageLibrary,
    status: str,
) -> Report:
    """Writes report.html, report.md and summary.json below `loops/<loop id>/report/`.

    If named benchmarks were judged, their table is written too, as benchmarks.md and
    benchmarks.tex.

    The stage is also the exit handler, so it reports whatever exists: an empty or failed loop gets
    a page that says what failed, and a gallery that can't be rendered is left out with the
    reason.

    Args:
        config: The part of the loop's configuration that is shown, and report options.
        store: The loop's store.
        ledger: The loop's ledger.
        loop_hash: Tells the loop's run in MLflow from that of another loop with its id.
        images: Opens the gallery's images.
        status: How the pipeline ended, such as `SUCCEEDED`; empty if unknown.

    Raises:
        DataError, StoreError: The ledger cannot be read, or the report cannot be written.
    """
    history = read_history(ledger, status)
    gallery, gallery_error = _gallery(history, config, store, images)
    charts = draw_charts(history)
    folder = f"loops/{ledger.loop_id}/report"
    files = Report(
        html=f"{folder}/report.html",
        markdown=f"{folder}/report.md",
        summary=f"{folder}/summary.json",
        table=f"{folder}/table.txt",
    )
    store.write(files.html, html_page(history, config, charts, gallery, gallery_error).encode())
    store.write(files.markdown, markdown_page(history, config).encode())
    store.write(files.summary, to_json(summary(history)) + b"\n")
    store.write(files.table, table(history).encode() + b"\n")
    for name, text in table_files(history_table(history)).items():
        store.write(f"{folder}/{name}", text.encode())
    run = (config.registry.experiment, ledger.loop_id, loop_hash)
    _enter(run, store, ledger, files, (charts, gallery))
    log.info("report loop=%s status=%s page=%s/%s", ledger.loop_id, status, store.uri, files.html)
    return files


def _enter(
    run: tuple[str, str, str],
    store: Store,
    ledger: Ledger,
    files: Report,
    drawn: tuple[list[Chart], Gallery | None],
) -> None:
    """Stores the report and its pictures as artifacts of the loop's run in MLflow.

    A loop that registered no version has no run there. Errors are only logged: the report is in the
    store, and it must be written even if the registry failed.
    """
    if TRACKING_URI not in os.environ or not ledger.manifests("register"):
        return
    charts, gallery = drawn
    try:
        with scratch_folder("report") as name:
            folder = Path(name)
            for key in (files.html, files.markdown, files.table):
                (folder / key.rpartition("/")[2]).write_bytes(store.read(key))
            for number, picture in enumerate(gallery.pictures() if gallery else (), start=1):
                (folder / f"picture-{number}.{picture.kind}").write_bytes(picture.data())
            for chart in charts:
                (folder / f"{chart.name}.svg").write_text(chart.alone(), encoding="utf-8")
            log_files(loop_run(*run), folder)
    except JudgeLoopError as error:
        log.warning("the report is not in the registry: %s", error)


def _gallery(
    history: LoopHistory, config: ReportSettings, store: Store, images: ImageLibrary
) -> tuple[Gallery | None, str]:
    try:
        return draw_gallery(history, store, images, config.report, config.loop.seed), ""
    except JudgeLoopError as error:
        log.warning("the report has no gallery: %s", error)
        return None, str(error)
