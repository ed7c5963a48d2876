"""Resolves a user's folder or URI to a store and the local run that it belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from judgeloop.registry.client import TRACKING_URI
from judgeloop.runtime.reference import Reference, parse_reference
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.home import expand_home
from judgeloop.schema.records import from_json
from judgeloop.schema.registry_section import RegistrySection
from judgeloop.store import Store, open_store

ARGUMENTS = "arguments.json"
COMMAND = "command.txt"
_DATABASE = Path("mlflow") / "mlflow.db"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A store of loops, and the local run it belongs to, if any."""

    name: str
    """The text that the user gave."""
    store: Store
    run: Path | None = None
    """Folder of the local run, with its report and progress."""
    loop_id: str | None = None
    """Loop of the local run."""
    command: str | None = None
    """Shell command that started that run."""
    reference: Reference | None = None
    """Reference to the configuration of that run's loop, in `store`."""

    def registered_as(self) -> RegistrySection:
        """Returns the names under which the run's loop registers its versions and runs.

        Raises:
            ConfigError: It is not a run's folder, or the store has lost its configuration.
        """
        if self.reference is None or self.loop_id is None:
            raise ConfigError(f"{self.name}: it is not a run's folder, such as runs/demo")
        return self.reference.read(self.loop_id)[0].registry

    def model_name(self) -> str:
        """Returns the name under which the run's loop registers its versions.

        Raises:
            ConfigError: As for `registered_as`.
        """
        return self.registered_as().model_name

    @property
    def registry(self) -> str:
        """Address of the registry: `MLFLOW_TRACKING_URI`, else the run's own; empty without any."""
        if address := os.environ.get(TRACKING_URI):
            return address
        beside = self.run or Path(self.store.uri).parent
        database = (beside / _DATABASE).absolute()
        return f"sqlite:///{database}" if database.is_file() else ""


class _Arguments(msgspec.Struct):
    """The parameters of a local run, as `pipelines.local` writes them."""

    config: str
    loop_id: str


def open_target(name: str) -> Target:
    """Opens the store that a user names; reads no loop yet.

    Args:
        name: A run's folder (with `arguments.json`), a store's folder, or a store's URI.

    Raises:
        ConfigError: There is no such folder, or the address does not name a store.
        DataError: The run's arguments cannot be read.
        StoreError: The store cannot be opened.
    """
    if "://" in name:
        return Target(name=name, store=open_store(name))
    folder = expand_home(name)
    if not folder.is_dir():
        raise ConfigError(
            f"{name}: there is no such folder; give a run's folder such as runs/demo, a store's "
            "folder, or s3://bucket/prefix"
        )
    arguments = folder / ARGUMENTS
    if not arguments.is_file():
        inner = folder / "store"
        store = open_store(str(inner if inner.is_dir() else folder))
        return Target(name=name, store=store, run=folder if inner.is_dir() else None)
    found = from_json(arguments.read_bytes(), _Arguments, str(arguments))
    reference = parse_reference(found.config)
    given = reference.store
    moved = folder / "store"  # a run's folder may have been moved since
    target = str(moved) if moved.is_dir() and "://" not in given else given
    command = folder / COMMAND
    return Target(
        name=name,
        store=open_store(target),
        run=folder,
        loop_id=found.loop_id,
        reference=reference._replace(store=target),
        command=command.read_text(encoding="utf-8").strip() if command.is_file() else None,
    )
