"""The study behind docs/results.md: the method, its controls and the paper's comparisons.

`make study` runs it on the tiny world. Every arm is a loop of the demo's preset in one partition
that never stops early; `benchmarks.study.arms` lists what each changes. A finished arm is not run
again unless the preset, the base or the arm changed; a killed study resumes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study.arms import Arm, runs
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.ledger import loop_identity
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.config import load_config
from judgeloop.store.local_files import write_whole

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CONFIG = REPOSITORY / "pipelines" / "configs" / "tiny.yaml"
ITERATIONS = 4
RESULT = "result.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing, then writes docs/results.md and its figures."""
    hide_secrets("%(message)s", "WARNING")
    options = _options(arguments)
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.worker is not None:
        _work(runs()[options.worker :: options.parallel], out)
        return 0
    workers = [_start_worker(number, options.parallel, out) for number in range(options.parallel)]
    if any([worker.wait() for worker in workers]):
        sys.stderr.write(f"an arm failed: see worker-*.log in {out}, then run again\n")
        return 1
    from benchmarks.study.best_prompt import best_prompts
    from benchmarks.study.page import write_page

    results = [
        json.loads(place_of(arm, seed, out).read_text()) | {"arm": arm.name, "seed": seed}
        for arm, seed in runs()
    ]
    write_page(results, best_prompts(out), REPOSITORY / "docs")
    return 0


def changes_of(arm: Arm, seed: int, out: Path) -> dict[str, Any]:
    """Returns the changes of an arm to the preset."""
    return {
        "store": out / "store",
        "loop.seed": seed,
        "loop.iterations": ITERATIONS,
        "loop.patience": ITERATIONS,
        "loop.partitions": 1,
        "registry.model_name": "judgeloop-study",
        "registry.experiment": "judgeloop-study",
        **arm.changes,
    }


def name_of(arm: Arm, seed: int, out: Path) -> str:
    """Returns the name of an arm's loop, with a hash of its preset, changes, pairs and base."""
    base = describe_base(BUILTIN, None).base_sha256
    preset = loop_identity(load_config(CONFIG)).decode()
    changes = {name: str(value) for name, value in changes_of(arm, seed, out).items()}
    content = json.dumps([preset, changes, arm.pairs, arm.noise, base])
    return f"{arm.name}-{seed}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def place_of(arm: Arm, seed: int, out: Path) -> Path:
    """Returns the file that holds an arm's figures once it is done."""
    return out / name_of(arm, seed, out) / RESULT


def _start_worker(number: int, workers: int, out: Path) -> subprocess.Popen[bytes]:
    """Starts a process that runs every `workers`-th arm, and loads the libraries once."""
    command = [sys.executable, "-m", "benchmarks.study", "--out", str(out),
               "--parallel", str(workers), "--worker", str(number)]  # fmt: skip
    with (out / f"worker-{number}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)


def _work(share: Sequence[tuple[Arm, int]], out: Path) -> None:
    """Runs the arms of one worker that are not done."""
    from benchmarks.study.loop import ArmLoop, training_here

    for arm, seed in share:
        place = place_of(arm, seed, out)
        if place.exists():
            continue
        started = time.monotonic()
        place.parent.mkdir(parents=True, exist_ok=True)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place.parent}/mlflow.db"
        sets = [f"{name}={value}" for name, value in changes_of(arm, seed, out).items()]
        loop = ArmLoop(arm, load_config(CONFIG, sets), name_of(arm, seed, out), out)
        with training_here():
            figures = loop.run()
        write_whole(place, json.dumps(figures, indent=1).encode())
        took = time.monotonic() - started
        print(f"{time.strftime('%H:%M:%S')} {arm.label}, seed {seed}: {took:.0f} s", flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "runs" / "study")
    parser.add_argument("--parallel", type=int, default=2, help="arms that run at the same time")
    parser.add_argument("--worker", type=int, help="run this share of the arms in this process")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
