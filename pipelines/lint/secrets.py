"""No secret value: a package and a run's arguments are read by all who read the pipeline."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from pipelines.spec import Spec

_NAMES = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|(ACCESS|API|PRIVATE)_?KEY)",
                    re.IGNORECASE)  # fmt: skip
_FORMS = {
    "a password in an address": re.compile(r"\w+://[^/\s:@]+:[^/\s:@]+@"),
    "an AWS access key": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"),
}
MIN_LENGTH = 8
"""A shorter value of the environment is no secret that could be recognised in a text."""


def secret_values(spec: Spec) -> Iterator[str]:
    """Says where a package holds what looks like a secret; never the value."""
    for label, executor in spec.executors.items():
        for variable in executor.get("container", {}).get("env", []):
            if _NAMES.search(variable["name"]) and variable.get("value"):
                yield f"{label}: the variable {variable['name']} has a value; {_WAY_OUT}"
    for where, document in (("the pipeline", spec.pipeline), ("its settings", spec.platform)):
        for what in secrets_in("\n".join(_texts(document))):  # at once: it reads the environment
            yield f"{where}: holds {what}; {_WAY_OUT}"


def secrets_in(text: str) -> list[str]:
    """Returns what in a text looks like a secret, in words; never the value.

    Values of this process's own variables that are named like secrets are recognised too.
    """
    found = [what for what, form in _FORMS.items() if form.search(text)]
    for name, value in os.environ.items():
        if _NAMES.search(name) and len(value) >= MIN_LENGTH and value in text:
            found.append(f"the value of ${name}")
    return found


_WAY_OUT = "name a Secret under `secrets` in the profile"


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from (str(key), *_texts(value))
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node
