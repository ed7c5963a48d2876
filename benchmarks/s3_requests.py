"""How many requests does an iteration of the loop send to S3? Counts them; nothing is timed.

```
python -m benchmarks.s3_requests --questions 400 2400 [--before CHECKOUT]
```

The micro loop (scripted models, one partition) runs on moto's S3 server, once with one iteration
and once with two, at each of two sizes. The difference of the two runs is what an iteration costs,
and the sizes divide that into a fixed part and one that grows with the rows. A request is a line of
the server's log. Heartbeats of leases are counted separately: their number depends on the duration
of the iteration. Shards hold 200 rows, as in the presets for real models. `--before` counts the
same in another checkout, first, in the same run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loopback import moto_server
from judgeloop.cli.table import table
from judgeloop.runtime.redaction import hide_secrets

REPOSITORY = Path(__file__).resolve().parent.parent
SHARD_SIZE = 200
HEARTBEATS = "heartbeats"
BEAT = {"LIST": 1, "GET": 1, "PUT": 1}
"""Requests of one heartbeat (`judgeloop.runtime.lease`)."""
_REQUEST = re.compile(r"([A-Z]+) /bucket[/?](\S*) HTTP/1\.1\S* (\d+)")  # in color if refused
_LEASE = re.compile(r"/leases/[^/]+/\d+\.json")


def requests_of_loop(
    folder: Path, name: str, questions: int, iterations: int, checkout: Path = REPOSITORY
) -> Counter[str]:
    """Runs a loop and counts its requests by kind.

    Args:
        folder: Gets the run's folder; holds the server's log.
        name: The run's.
        questions: How many.
        iterations: How many.
        checkout: Checkout of the repository whose code is run.

    Raises:
        RuntimeError: The loop failed, or ended before its last iteration.
    """
    log = folder / "requests.log"
    before = log.stat().st_size
    changes = {
        "store": f"s3://bucket/{name}",
        "data.count": questions,
        "data.shard_size": SHARD_SIZE,
        "loop.iterations": iterations,
        "loop.patience": iterations,
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "--config", "micro", *sets,
         "--out", str(folder / name), "--loop-id", name],
        cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    with log.open() as file:
        file.seek(before)
        found = _REQUEST.findall(file.read())
    if done.returncode or not any(f"/tasks/{iterations:03d}-decide" in it[1] for it in found):
        raise RuntimeError(f"the loop {name} did not run to its end: {done.stdout}{done.stderr}")
    return _counted(found)


def _counted(requests: Sequence[tuple[str, str, str]]) -> Counter[str]:
    """Counts requests, each a method, a path and a status, by kind, heartbeats apart."""
    counts = Counter(_kind(method, path) for method, path, _ in requests)
    written = Counter(
        path for method, path, status in requests
        if method == "PUT" and status == "200" and _LEASE.search(path)
    )  # fmt: skip
    beats = written.total() - len(written)  # each heartbeat rewrites the lease
    counts.subtract({kind: beats * each for kind, each in BEAT.items()})
    counts[HEARTBEATS] = beats
    return counts


def _kind(method: str, path: str) -> str:
    return "LIST" if method == "GET" and "list-type" in path else method


def split(iterations: dict[int, int]) -> tuple[float, float]:
    """Splits the costs of an iteration at two sizes into a fixed part and one per thousand rows."""
    (few, least), (many, most) = sorted(iterations.items())
    slope = (most - least) / (many - few)
    return least - slope * few, 1000 * slope


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the requests of an iteration by kind at each size, and both parts."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description="Requests to S3 of an iteration.")
    parser.add_argument("--questions", type=int, nargs=2, default=[400, 2400])
    parser.add_argument("--before", type=Path, help="another checkout of the repository")
    options = parser.parse_args(arguments)
    checkouts = {"now": REPOSITORY}
    if options.before is not None:
        checkouts = {"before": options.before.resolve()} | checkouts
    with tempfile.TemporaryDirectory() as name, moto_server(Path(name) / "requests.log"):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        _make_bucket()
        for when, checkout in checkouts.items():
            _print_costs(Path(name), when, checkout, options.questions)


def _print_costs(folder: Path, when: str, checkout: Path, sizes: Sequence[int]) -> None:
    found: dict[int, Counter[str]] = {}
    for questions in sizes:
        one, two = (
            requests_of_loop(folder, f"{when}-{questions}-{n}", questions, n, checkout)
            for n in (1, 2)
        )
        found[questions] = two - one
    beats = {n: counts.pop(HEARTBEATS, 0) for n, counts in found.items()}
    kinds = sorted(set().union(*found.values()))
    rows = [
        (f"{n:,}", *(str(found[n][kind]) for kind in kinds), str(found[n].total()), str(beats[n]))
        for n in sizes
    ]
    heads = ("questions", *kinds, f"requests per iteration, {when}", HEARTBEATS)
    print("\n".join(table(heads, rows)))
    fixed, growing = split({n: found[n].total() for n in sizes})
    print(f"{when}: {fixed:.0f} fixed and {growing:.0f} per 1,000 rows", flush=True)


def _make_bucket() -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket="bucket")


if __name__ == "__main__":
    main()
