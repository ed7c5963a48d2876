"""Write the published sha256 of every pinned file into the lock files.

    python requirements/hashes.py requirements/build.lock requirements/cpu.lock ...

Change a pin `name==version` by hand, run this, and the line carries the hash of every file that
pip picks for a CPython of `PYTHONS` on Linux x86-64, the first one's in front. Comments stay.
Only pip's default index is asked, so that no locally built file gets into a lock.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")
"""The images have the first one and take its hash alone."""
SOURCES_ONLY = frozenset({"kfp-server-api"})
"""Published without a wheel: one file for all."""
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\]+)")


def normalized(name: str) -> str:
    """The one spelling of a package's name that indexes compare (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def published(pins: list[str], python: str) -> dict[str, str]:
    """Ask pip which file it would install for each pin; returns name -> sha256."""
    environment = dict(os.environ, PIP_CONFIG_FILE=os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        environment.pop(name, None)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    asked = ["--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    wheels = [pin for pin in pins if normalized(pin.partition("==")[0]) not in SOURCES_ONLY]
    other = [
        "--python-version",
        python,
        "--only-binary=:all:",
        "--target",
        os.curdir,
    ]  # written to by no dry run
    found = []
    for chosen, more in ((wheels, other), ([pin for pin in pins if pin not in wheels], [])):
        if chosen:
            report = subprocess.run(
                [*pip, *asked, *more, *chosen],
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            found += json.loads(report)["install"]
    return {
        normalized(item["metadata"]["name"]): item["download_info"]["archive_info"]["hashes"][
            "sha256"
        ]
        for item in found
    }


def rewrite(lock: Path) -> int:
    """Renew the hashes of one lock file; returns how many pins it holds."""
    lines = lock.read_text().splitlines()
    pins = {index: found for index, line in enumerate(lines) if (found := PIN.match(line))}
    files = [published([found[0] for found in pins.values()], python) for python in PYTHONS]
    for index, found in pins.items():
        hashes = dict.fromkeys(of_one[normalized(found["name"])] for of_one in files)
        lines[index] = " ".join([found[0], *(f"--hash=sha256:{each}" for each in hashes)])
    lock.write_text("\n".join(lines) + "\n")
    return len(pins)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        print(f"{path}: {rewrite(Path(path))} pins")
