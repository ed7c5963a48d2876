"""Resident memory of every stage from 1,000 to 100,000 questions, on the scripted engine.

`make memory` runs it. Questions and pictures of the tiny world are written to disk first; then each
stage runs as the pipeline runs it, by its function of `judgeloop.runtime.tasks`, in its own process
whose peak resident memory is read at its end (`VmHWM`, which is `ru_maxrss` without what the
process had inherited from its parent). Half of the pictures are held out, so that training and
validation have the same size.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.config import load_config
from judgeloop.schema.results import Funnel, Training
from judgeloop.store import open_store

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
SIZES = (1_000, 10_000, 100_000)
LOOP_ID = "memory"
LIMIT = 1.2
"""Allowed ratio of the last size's peak to the previous one's."""
REPORT_LIMIT_MB = 20.0
CHILD = """
import json, re, sys
from pathlib import Path
from judgeloop.runtime import tasks
name, arguments = sys.argv[1], json.loads(sys.argv[2])
task = getattr(tasks, name, None)
task(**arguments) if task else tasks.run(name, **arguments)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) / 1024)
"""
"""Runs one task and prints its peak resident memory in MB."""


class Figure(NamedTuple):
    """The figures of one stage."""

    rows: int
    megabytes: float
    seconds: float


class Bench:
    """The stages of one loop of one iteration, in order.

    Args:
        folder: Gets the data, the store and the manifests; its content is deleted.
        questions: Number of questions.
    """

    def __init__(self, folder: Path, questions: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._write_data(questions)
        changes = {
            "store": folder / "store",
            "model.base": "'scripted:skill=0.9'",  # most judgements are kept
            "data.questions": folder / "questions.jsonl",
            "data.count": "null",
            "data.shard_size": 200,
            "evaluation.gold": folder / "gold.jsonl",
            "evaluation.count": "null",
            "validation.share": 0.5,
            "loop.iterations": 1,
            "filtering.max_examples": questions // 20,
        }
        sets = [f"{key}={value}" for key, value in changes.items()]
        self._config = load_config(CONFIG, sets).to_json()
        self.report = folder / "report.out"

    def run(self) -> Iterator[tuple[str, Figure]]:
        """Runs the stages; yields each one's name and figures."""
        yield self._task("resolve")
        yield self._task("ingest")
        start = {"model": self._path("resolve")}
        yield self._task("hold_out", questions=self._path("ingest"), **start)
        part = {"iteration": 1, "partition": 0}
        yield self._task("synthesize", questions=self._path("ingest"), **part, **start)
        yield self._task("judge", pairs=self._path("synthesize"), **part, **start)
        pairs, judgements = [self._path("synthesize")], [self._path("judge")]
        yield self._task("filter", iteration=1, pairs=pairs, judgements=judgements)
        yield self._task("train", iteration=1, examples=self._path("filter"), **start)
        held_out = {"pairs": self._path("hold_out")}
        yield self._task("validate", iteration=0, **held_out, **start)
        trained = {"iteration": 1, "model": self._path("train")}
        yield self._task("validate", **held_out, **trained)
        yield self._task("evaluate", **trained)
        yield self._task("report", status="SUCCEEDED")

    def _write_data(self, questions: int) -> None:
        code = (
            "import sys; from pathlib import Path; from judgeloop.tiny import dataset\n"
            "folder, count = Path(sys.argv[1]), int(sys.argv[2])\n"
            "dataset.write_questions(folder, count, 0), dataset.write_gold(folder, count // 2, 0)"
        )
        subprocess.run([sys.executable, "-c", code, str(self._folder), str(questions)], check=True)

    def _path(self, stage: str) -> str:
        return str(self._folder / f"{stage}.out")

    def _task(self, name: str, **arguments: object) -> tuple[str, Figure]:
        everything = {
            "config": self._config,
            "loop_id": LOOP_ID,
            "out": self._path(name),
            **arguments,
        }
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, name, json.dumps(everything)],
            cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        seconds = time.monotonic() - started
        return name, Figure(self._rows(name), float(done.stdout), seconds)

    def _rows(self, stage: str) -> int:
        store = open_store(str(self._folder / "store"))
        made = list(Ledger(store, LOOP_ID).manifests(stage).values())
        if not made:
            return 0
        manifest = made[-1][0]
        if isinstance(manifest.result, Funnel):
            return manifest.result.pairs
        if isinstance(manifest.result, Training):
            return manifest.result.examples
        return manifest.input_rows


def main() -> int:
    """Measures every size and prints a table; returns 1 if a bound is exceeded."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "memory")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="questions, rising")
    options = parser.parse_args()
    peaks: dict[str, list[float]] = {}
    report_mb = 0.0
    for size in options.sizes:
        print(f"{size} questions\nstage            rows  peak MB  seconds", flush=True)
        bench = Bench((options.out / str(size)).resolve(), size)
        here: dict[str, float] = {}
        for stage, figure in bench.run():
            print(f"{stage:<11} {figure.rows:>9} {figure.megabytes:8.1f} {figure.seconds:8.1f}",
                  flush=True)  # fmt: skip
            here[stage] = max(here.get(stage, 0.0), figure.megabytes)
        for stage, megabytes in here.items():
            peaks.setdefault(stage, []).append(megabytes)
        report_mb = bench.report.stat().st_size / 1e6
        print(f"report.html {report_mb:.2f} MB\n", flush=True)
    if len(options.sizes) < 2:
        return 0
    ratios = {stage: found[-1] / found[-2] for stage, found in peaks.items()}
    print(f"peak at {options.sizes[-1]} / peak at {options.sizes[-2]} (limit {LIMIT})")
    for stage, ratio in ratios.items():
        print(f"{stage:<11} {ratio:.2f}{'  OVER' if ratio > LIMIT else ''}")
    return int(max(ratios.values()) > LIMIT or report_mb > REPORT_LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
