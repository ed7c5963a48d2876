"""The study behind docs/results.md: the method and its controls on the tiny world.

`make results` runs it, three seeds an arm. Every arm is an ordinary run of the loop in a folder of
its own, all on one store, so what two arms share (the held-out pairs, the first iteration's
judgements) is made once. An arm that is done is not run again; killed, the study goes on where it
was.

Arms differ in `filtering.keep` alone. All have the same number of examples (`MAX_EXAMPLES`) and
steps in every iteration, and none stops early.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.results_page import write_page

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "pipelines" / "configs" / "tiny.yaml"
ARMS = ("agreeing", "unfiltered", "shuffled")
SEEDS = (0, 1, 2)
ITERATIONS = 4
MAX_EXAMPLES = 300
"""Examples an iteration in every arm: about what the method keeps in its first iteration."""


def main() -> int:
    """Runs what is missing, then writes docs/results.md and its figures."""
    options = _options()
    arms = [(arm, seed) for seed in SEEDS for arm in ARMS]
    with ThreadPoolExecutor(options.parallel) as pool:
        runs = list(pool.map(lambda pair: run_arm(*pair, options.out), arms))
    if failed := [run["folder"] for run in runs if "iterations" not in run]:
        sys.stderr.write(f"failed: {', '.join(failed)}; see run.log there, then run again\n")
        return 1
    write_page(runs, options.out, REPOSITORY / "docs")
    return 0


def run_arm(arm: str, seed: int, out: Path) -> dict[str, Any]:
    """Runs one arm unless it is done; returns its summary with arm, seed and folder."""
    folder = out / f"{arm}-{seed}"
    summary, done = folder / "summary.json", folder / "done"
    if not done.exists():
        started = time.monotonic()
        _say(f"{arm}, seed {seed}: started")
        code = subprocess.run(
            _command(arm, seed, out, folder), cwd=REPOSITORY, check=False,
            stdout=subprocess.DEVNULL,
        ).returncode  # fmt: skip
        _say(f"{arm}, seed {seed}: exit code {code} after {time.monotonic() - started:.0f} s")
        if code != 0:
            return {"folder": str(folder)}
        done.touch()
    figures: dict[str, Any] = json.loads(summary.read_text())
    return figures | {"arm": arm, "seed": seed, "folder": str(folder)}


def _command(arm: str, seed: int, out: Path, folder: Path) -> list[str]:
    changes = {
        "store": (out / "store").resolve(),
        "loop.seed": seed,
        "loop.iterations": ITERATIONS,
        "loop.patience": ITERATIONS,
        "filtering.keep": arm,
        "filtering.max_examples": MAX_EXAMPLES,
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "pipelines", "run", "--config", str(CONFIG), *sets,
            "--out", str(folder), "--loop-id", f"{arm}-{seed}"]  # fmt: skip


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "results")
    parser.add_argument("--parallel", type=int, default=2, help="arms that run at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
