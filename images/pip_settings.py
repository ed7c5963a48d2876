"""Passes this machine's pip settings to an image build: indexes, certificates, local folders.

They are read from pip itself, wherever they are set. They are passed as a secret and as mounts, so
that neither an image nor its history contains them.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from images.engine import ImageError

_SETTING = re.compile(r"^(?P<section>:env:|[\w.-]+?)\.(?P<key>[\w.-]+)=(?P<value>.+)$")
_PATH = re.compile(r"(?:file://)?(/[^\s,]+)")


def read_settings() -> dict[str, dict[str, str]]:
    """Returns pip's settings, section -> key -> value; an environment variable beats a file.

    Raises:
        ImageError: pip cannot read them.
    """
    if importlib.util.find_spec("pip") is None:  # as in Debian's python3
        return {}
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        raise ImageError(f"pip cannot read its settings: {listed.stderr.strip()}")
    return parse_settings(listed.stdout)


def parse_settings(listed: str) -> dict[str, dict[str, str]]:
    """Returns what `pip config list` printed as mappings."""
    files: dict[str, dict[str, str]] = {}
    variables: dict[str, str] = {}
    for line in listed.splitlines():
        if not (found := _SETTING.match(line)):
            continue
        value = str(ast.literal_eval(found["value"]))
        if found["section"] == ":env:":
            if (key := found["key"].lstrip(".")) != "config-file":  # these are listed too
                variables[key] = value
        else:
            files.setdefault(found["section"], {})[found["key"]] = value
    if variables:
        files["global"] = files.get("global", {}) | variables
    return files


def write_settings(settings: Mapping[str, Mapping[str, str]], path: Path) -> None:
    """Writes a `pip.conf` that only its owner may read: an address may hold a password."""
    lines: list[str] = []
    for section, values in sorted(settings.items()):
        lines.append(f"[{section}]")
        lines += [f"{key} = {' '.join(value.split())}" for key, value in sorted(values.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def local_paths(settings: Mapping[str, Mapping[str, str]]) -> list[Path]:
    """Returns the files and folders that the settings name and that exist here.

    For an index in a folder it is the parent folder, since the index's pages link to files beside
    it.
    """
    found = set()
    for values in settings.values():
        for key, value in values.items():
            named = (Path(path) for path in _PATH.findall(value))
            found |= {path.parent if key.endswith("index-url") else path for path in named}
    return sorted(path for path in found if path.exists())
