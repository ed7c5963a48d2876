"""Write the published sha256 of every pinned file into the lock files.

    python requirements/hashes.py requirements/build.lock requirements/cpu.lock ...

Change a pin `name==version` by hand, run this, and the line carries the hash of the file that pip
picks for this machine (the locks are for CPython 3.11 on Linux x86-64). Comments stay. Only pip's
default index is asked, so that no locally built file gets into a lock.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\]+)")


def normalized(name: str) -> str:
    """The one spelling of a package's name that indexes compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def published(pins: list[str]) -> dict[str, str]:
    """Ask pip which file it would install for each pin; returns name -> sha256."""
    environment = dict(os.environ, PIP_CONFIG_FILE=os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        environment.pop(name, None)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    report = subprocess.run(
        [*pip, "--dry-run", "--ignore-installed", "--no-deps", "--report", "-", *pins],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return {
        normalized(item["metadata"]["name"]): item["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for item in json.loads(report)["install"]
    }


def rewrite(lock: Path) -> int:
    """Renew the hashes of one lock file; returns how many pins it holds."""
    lines = lock.read_text().splitlines()
    pins = {index: found for index, line in enumerate(lines) if (found := PIN.match(line))}
    hashes = published([found[0] for found in pins.values()])
    for index, found in pins.items():
        lines[index] = f"{found[0]} --hash=sha256:{hashes[normalized(found['name'])]}"
    lock.write_text("\n".join(lines) + "\n")
    return len(pins)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(f"{path}: {rewrite(Path(path))} pins")
