"""Resolves addresses of registered versions (`models:/...`) and fetches the versions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import msgspec

from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.judge_file import (
    ADAPTER_FOLDER,
    JUDGE_FILE,
    JudgeFile,
    check_adapter,
    control_arms,
    read_judge_file,
)
from judgeloop.registry.versions import aliases, version_uri
from judgeloop.schema.errors import RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef
from judgeloop.store import Store, upload_folder
from judgeloop.store.folders import CHECKSUMS
from judgeloop.store.scratch import scratch_folder

_URI = re.compile(r"models:/(?P<name>[^/:]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


class Start(NamedTuple):
    """A version that a loop continues from."""

    version: str
    model: ModelRef
    controls: tuple[str, ...]
    """The study's control arms behind it; none for a judge by the method."""
    metrics: dict[str, float]
    """Its figures when it was registered, as in its judge file."""


class Resolved(NamedTuple):
    """A registered version."""

    name: str
    version: str
    judge: JudgeFile

    @property
    def uri(self) -> str:
        """`models:/name/version`."""
        return version_uri(self.name, self.version)


def resolve_model(uri: str) -> Resolved:
    """Finds the version that an address names, and reads its judge file.

    Args:
        uri: `models:/name@alias` or `models:/name/version`.

    Raises:
        RegistryError: The address cannot be read, there is no such version, judgeloop did not
            register it, or the server cannot be used.
        DataError: Its judge file cannot be read.
    """
    name, version = _parse(uri)
    with scratch_folder("version") as folder:
        path = _download(name, version, JUDGE_FILE, Path(folder))
        return Resolved(name, version, read_judge_file(path, uri))


def fetch_version(uri: str, folder: Path) -> Resolved:
    """Downloads a version's `judge.json` and `adapter/` into a folder, and verifies the checksums.

    Args:
        uri: As for `resolve_model`.
        folder: A new or empty folder, or one that holds this version already.
            `judge.located(folder)` is the model.

    Raises:
        RegistryError, DataError: As for `resolve_model`, or the adapter is damaged, or the folder
            holds something else.
    """
    name, version = _parse(uri)
    with scratch_folder("version") as temporary:
        found = _download(name, version, "", Path(temporary))
        judge = read_judge_file(found / JUDGE_FILE, uri)
        check_adapter(found, judge, uri)
        if not folder.is_dir() or not any(folder.iterdir()):
            _copy(found, folder)
        elif read_judge_file(folder / JUDGE_FILE, str(folder)) != judge:
            raise RegistryError(f"{folder} holds another version than {uri}: choose a new folder")
    check_adapter(folder, judge, f"{folder}")
    return Resolved(name, version, judge)


def bring_version(uri: str, store: Store) -> Start:
    """Copies a version's adapter into a store, to continue from it.

    Args:
        uri: As for `resolve_model`.
        store: Stores the adapter once, under its content hash.

    Returns:
        The version, the model with its adapter in the store, the arms behind it and its figures.

    Raises:
        RegistryError, DataError: As for `fetch_version`.
        StoreError: The store cannot be used.
    """
    with scratch_folder("version") as temporary:
        folder = Path(temporary)
        _, version, judge = fetch_version(uri, folder)
        arms = control_arms(judge.keep, judge.controls)
        if judge.model.adapter is None:
            return Start(version, judge.model, arms, judge.metrics)
        key = f"adapters/{content_key(judge.adapter_files)}"
        if not store.exists(f"{key}/{CHECKSUMS}"):
            upload_folder(store, folder / ADAPTER_FOLDER, key)
        model = msgspec.structs.replace(judge.model, adapter=key)
        return Start(version, model, arms, judge.metrics)


def _parse(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise RegistryError(
            f"{uri!r} is not the address of a registered judge: write models:/name@alias, such as "
            "models:/judge@champion, or models:/name/version"
        )
    name, alias = match["name"], match["alias"]
    if alias is None:
        return name, match["version"]
    known = aliases(name)
    if alias not in known:
        has = ", ".join(sorted(known)) or "no alias"
        raise RegistryError(f"{uri}: {name} has no alias {alias!r} (it has {has})")
    return name, known[alias]


def _download(name: str, version: str, path: str, folder: Path) -> Path:
    """Copies a file of a version, or with an empty path all of them, into a folder.

    Returns:
        The file, or the folder that holds them all.
    """
    client = connect()
    from mlflow.artifacts import download_artifacts

    with registry_errors(f"cannot read {version_uri(name, version)}"):
        # Not by its name: an address cannot express every name.
        stored = client.get_model_version_download_uri(name, version)
        copied = download_artifacts(
            artifact_uri=f"{stored}/{path}".rstrip("/"),
            dst_path=str(folder),
            tracking_uri=client.tracking_uri,
            registry_uri=client.tracking_uri,
        )
    return Path(copied)


def _copy(found: Path, folder: Path) -> None:
    """Copies the files of a version; MLflow adds files of its own to a download."""
    folder.mkdir(parents=True, exist_ok=True)
    if (found / ADAPTER_FOLDER).is_dir():
        shutil.copytree(found / ADAPTER_FOLDER, folder / ADAPTER_FOLDER)
    shutil.copyfile(found / JUDGE_FILE, folder / JUDGE_FILE)
