"""Resident memory of `judgeloop convert` from 1,000 to 100,000 rows.

```
python -m benchmarks.convert_memory
```

The rows are in LLaVA's layout, in one JSON Lines file, and show a hundred pictures in turn. Each
conversion runs in a process of its own, whose peak resident memory is read at its end (`VmHWM`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from judgeloop.cli.table import table
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.tiny.dataset import write_questions

SIZES = (1_000, 10_000, 100_000)
PICTURES = 100
LIMIT = 1.2
"""Allowed ratio of the last size's peak to the previous one's."""
CHILD = """
import re, sys
from pathlib import Path
from judgeloop.data.convert.conversion import convert
found = convert(sys.argv[1], Path(sys.argv[2]), {})
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(found.questions, int(peak[1]) / 1024)
"""


def write_rows(folder: Path, rows: int) -> Path:
    """Writes rows in LLaVA's layout, and their pictures; returns the file."""
    write_questions(folder, PICTURES, 0)
    file = folder / "rows.jsonl"
    with file.open("w", encoding="utf-8") as sink:
        for number in range(rows):
            row = {
                "id": f"row-{number}",
                "image": f"images/q{number % PICTURES:06d}.png",
                "conversations": [
                    {"from": "human", "value": f"<image>\nHow many crosses are in row {number}?"},
                    {"from": "gpt", "value": "2"},
                ],
            }
            sink.write(json.dumps(row) + "\n")
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints a table; returns 1 if the last size takes too much more than the one before it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows, rising")
    hide_secrets("%(message)s", "WARNING")
    rows, peaks = [], []
    for size in parser.parse_args(arguments).sizes:
        with tempfile.TemporaryDirectory() as name:
            file = write_rows(Path(name) / "source", size)
            started = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(file), str(Path(name) / "out")],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        questions, peak = done.stdout.split()
        peaks.append(float(peak))
        took = time.monotonic() - started
        rows.append((f"{size:,}", f"{int(questions):,}", f"{float(peak):.1f}", f"{took:.1f}"))
    print("\n".join(table(("rows", "questions", "peak MB", "seconds"), rows)))
    return int(len(peaks) > 1 and peaks[-1] > LIMIT * peaks[-2])


if __name__ == "__main__":
    sys.exit(main())
