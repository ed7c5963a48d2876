"""No secret value: a package and a run's arguments are read by all who read the pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from judgeloop.runtime.secret_list import FORMS, IN_ADDRESS, names_secret, secret_values
from pipelines.spec import Spec


def secrets_of(spec: Spec) -> Iterator[str]:
    """Yields where a package contains what looks like a secret; never the value."""
    for label, executor in spec.executors.items():
        for variable in executor.get("container", {}).get("env", []):
            if names_secret(variable["name"]) and variable.get("value"):
                yield f"{label}: the variable {variable['name']} has a value; {_WAY_OUT}"
    for where, document in (("the pipeline", spec.pipeline), ("its settings", spec.platform)):
        for what in secrets_in("\n".join(_texts(document))):  # once: it reads the environment
            yield f"{where}: holds {what}; {_WAY_OUT}"


def secrets_in(text: str) -> list[str]:
    """Describes what in a text looks like a secret; never the value.

    Values of this process's own variables that are named like secrets are recognized too.
    """
    found = [what for what, form in FORMS.items() if form.search(text)]
    if IN_ADDRESS.search(text):
        found.insert(0, "a password in an address")
    return found + sorted(
        {f"the value of ${name}" for name, value in secret_values() if value in text}
    )


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
