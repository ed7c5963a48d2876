"""Detects values that are not local paths, although a folder could have that name."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"[A-Za-z]:(?:$|[\\/]|[^\\/:]*\\)|[A-Za-z]:[^\\/:]+$")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_HOST = re.compile(r"[\w.-]+@[\w.-]+:")


def why_no_path(text: str) -> str | None:
    r"""Returns why a text is no path on this machine, and what to give; None if it may be one.

    An address (`http:x`, `s3:bucket`, `file://x`), a Windows path (`C:\x`, `a\b`) or of another
    machine (`user@host:x`) would otherwise become a folder of that name. `./a:b` is a
    path.
    """
    if _DRIVE.match(text) or "\\" in text:
        return "is a Windows path, give a path on this machine, with / between its parts"
    if text.startswith("file:///"):
        return f"is an address, give a path on this machine, such as {text.removeprefix('file://')}"
    if _SCHEME.match(text):
        return f"is an address, give a path on this machine (./{text} is a folder of that name)"
    if _HOST.match(text):
        return "lies on another machine, give a path on this machine"
    return None
