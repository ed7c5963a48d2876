"""The study behind docs/results.md: the method and its controls on the tiny world.

`make results` runs it. Every arm is an ordinary run of the loop in a folder of
its own, all on one store, so that arms find what they share (the held-out pairs, the judgements of
the first iteration) once it is there. An arm that is done is not run again unless the preset, the
base or this module's settings changed; killed, the study goes on where it was.

`agreeing` is the method: the demo's preset in one partition. The controls differ from it in
`filtering.keep` alone; the preset's `filtering.max_examples` binds in every arm, so all have the
same number of examples and the same steps. None stops early.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.results_page import write_page
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.ledger import loop_identity
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.config import load_config

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIG = REPOSITORY / "pipelines" / "configs" / "tiny.yaml"
ITERATIONS = 4
SEEDS = {"agreeing": (0, 1, 2), "unfiltered": (0, 1, 2), "shuffled": (0, 1, 2)}
"""Seeds of each arm, named by its `filtering.keep`: the method first, then its controls."""


def main() -> int:
    """Runs what is missing, then writes docs/results.md and its figures."""
    hide_secrets("%(message)s", "WARNING")
    options = _options()
    arms = [(arm, seed) for arm, seeds in SEEDS.items() for seed in seeds]
    with ThreadPoolExecutor(options.parallel) as pool:
        runs = list(pool.map(lambda pair: run_arm(*pair, options.out), arms))
    if failed := [run["folder"] for run in runs if "loop_id" not in run]:
        sys.stderr.write(f"failed: {', '.join(failed)}; see run.log there, then run again\n")
        return 1
    write_page(runs, options.out, REPOSITORY / "docs")
    return 0


def run_arm(arm: str, seed: int, out: Path) -> dict[str, Any]:
    """Runs one arm unless it is done; returns its summary with arm, seed and folder."""
    changes = {
        "store": (out / "store").resolve(),
        "loop.seed": seed,
        "loop.iterations": ITERATIONS,
        "loop.patience": ITERATIONS,
        "loop.partitions": 1,
        "filtering.keep": arm,
    }
    loop_id = f"{arm}-{seed}-{_identity(changes)}"
    folder = out / loop_id
    if not (folder / "done").exists():
        started = time.monotonic()
        _say(f"{arm}, seed {seed}: started")
        command = _command(changes, folder, loop_id)
        code = subprocess.run(
            command, cwd=REPOSITORY, check=False, stdout=subprocess.DEVNULL
        ).returncode
        _say(f"{arm}, seed {seed}: exit code {code} after {time.monotonic() - started:.0f} s")
        if code != 0:
            return {"folder": str(folder)}
        (folder / "done").touch()
    figures: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return figures | {"arm": arm, "seed": seed, "folder": str(folder), "loop_id": loop_id}


def _identity(changes: dict[str, Any]) -> str:
    """Names what an arm was run with: the preset's values, changes and base."""
    base = describe_base(BUILTIN, None).base_sha256
    preset = loop_identity(load_config(CONFIG)).decode()
    content = json.dumps([preset, {k: str(v) for k, v in changes.items()}, base])
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def _command(changes: dict[str, Any], folder: Path, loop_id: str) -> list[str]:
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "pipelines", "run", "--config", str(CONFIG), *sets,
            "--out", str(folder), "--loop-id", loop_id]  # fmt: skip


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "results")
    parser.add_argument("--parallel", type=int, default=2, help="arms that run at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
