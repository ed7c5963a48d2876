"""A reference to a configuration in the store, passed to a pipeline instead of its text.

Every node of Argo's object repeats a task's parameters several times, so the text would be the
largest part of it. The reference is `STORE?config=SHA-256&first=N`: `make submit` and the local
runner write the configuration below `loops/<loop id>/config/`, and each task reads it from there.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from judgeloop.schema.config import Config, config_from_json
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.store import MissingObjectError, Store, open_store


class Reference(NamedTuple):
    """A configuration in a store, and the iteration that a run starts with."""

    store: str
    """URI of the store."""
    digest: str
    """SHA-256 of the configuration's text, hexadecimal."""
    first: int = 1
    """First iteration of the run; a loop may take several runs."""

    def __str__(self) -> str:
        """Returns the pipeline's parameter."""
        return f"{self.store}?{urlencode({'config': self.digest, 'first': self.first})}"

    def read(self, loop_id: str) -> tuple[Config, Store]:
        """Returns the configuration and its store.

        Raises:
            ConfigError: The store does not hold it.
            DataError: The stored configuration was changed.
        """
        store = open_store(self.store)
        key = _key(loop_id, self.digest)
        try:
            text = store.read(key)
        except MissingObjectError:
            raise ConfigError(
                f"{store.uri}/{key}: the configuration of loop {loop_id} is not there; submit the "
                "loop again"
            ) from None
        if hashlib.sha256(text).hexdigest() != self.digest:
            raise DataError(f"{store.uri}/{key}: was changed after the run was submitted")
        return config_from_json(text.decode()), store


def parse_reference(text: str) -> Reference:
    """Reads a pipeline's parameter.

    Raises:
        ConfigError: It is not valid.
    """
    store, _, query = text.rpartition("?")
    given = parse_qs(query)
    try:
        (digest,), (first,) = given["config"], given["first"]
        if not store or int(first) < 1:
            raise ValueError(first)
    except (KeyError, ValueError):
        raise ConfigError(f"{text[:200]!r} is not a reference to a configuration") from None
    return Reference(store, digest, int(first))


def write_config(store: Store, loop_id: str, config: Config, first: int = 1) -> Reference:
    """Writes a configuration into the store that it names, and returns the reference to it."""
    text = config.to_json().encode()
    digest = hashlib.sha256(text).hexdigest()
    store.create(_key(loop_id, digest), text)
    return Reference(config.store, digest, first)


def _key(loop_id: str, digest: str) -> str:
    return f"loops/{loop_id}/config/{digest}.json"
