"""How many requests does an iteration of the loop send to S3? Counts them; times nothing.

```
python -m benchmarks.s3_requests --questions 400 4000
```

The micro loop (scripted models, one partition) runs on moto's S3 server, once with one iteration
and once with two, at each of two sizes. The difference of the two runs is what an iteration costs,
and the sizes divide that into a fixed part and one that grows with the rows. A request is a line of
the server's log. Shards hold 200 rows, as in the presets for real models.
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
CONFIG = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
SHARD_SIZE = 200
BEFORE = (357, 84)
"""Requests of an iteration before they were reduced: fixed, and a thousand rows."""
_REQUEST = re.compile(r"([A-Z]+) /bucket[/?](\S*) HTTP/1\.1")  # in a colour, if it was refused


def requests_of_loop(folder: Path, name: str, questions: int, iterations: int) -> Counter[str]:
    """Runs a loop and counts its requests by kind.

    Args:
        folder: Gets the run's folder; holds the server's log.
        name: The run's.
        questions: How many.
        iterations: How many.

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
        [sys.executable, "-m", "pipelines", "run", "--config", str(CONFIG), *sets,
         "--out", str(folder / name), "--loop-id", name],
        cwd=REPOSITORY, check=False, capture_output=True, text=True,
    )  # fmt: skip
    with log.open() as file:
        file.seek(before)
        found = _REQUEST.findall(file.read())
    if done.returncode or not any(f"/tasks/{iterations:03d}-decide" in path for _, path in found):
        raise RuntimeError(f"the loop {name} did not run to its end: {done.stdout}{done.stderr}")
    return Counter(_kind(method, path) for method, path in found)


def _kind(method: str, path: str) -> str:
    return "LIST" if method == "GET" and "list-type" in path else method


def split(iterations: dict[int, int]) -> tuple[float, float]:
    """Splits the costs of an iteration at two sizes into a fixed part and one a thousand rows."""
    (few, least), (many, most) = sorted(iterations.items())
    slope = (most - least) / (many - few)
    return least - slope * few, 1000 * slope


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the requests of an iteration by kind at each size, and both parts."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description="Requests to S3 of an iteration.")
    parser.add_argument("--questions", type=int, nargs=2, default=[400, 4000])
    options = parser.parse_args(arguments)
    found: dict[int, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name, moto_server(Path(name) / "requests.log"):
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        _make_bucket()
        for questions in options.questions:
            one, two = (
                requests_of_loop(Path(name), f"q{questions}-{n}", questions, n) for n in (1, 2)
            )
            found[questions] = two - one
    kinds = sorted(set().union(*found.values()))
    rows = [
        (f"{n:,}", *(str(found[n][kind]) for kind in kinds), str(found[n].total()))
        for n in options.questions
    ]
    print("\n".join(table(("questions", *kinds, "requests an iteration"), rows)))
    fixed, growing = split({n: found[n].total() for n in options.questions})
    print(
        f"{fixed:.0f} fixed and {growing:.0f} per 1,000 rows; before: {BEFORE[0]} and {BEFORE[1]}"
    )


def _make_bucket() -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket="bucket")


if __name__ == "__main__":
    main()
