"""Registered versions of a judge, and the aliases `candidate`, `champion` and `previous`."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from judgeloop.registry.client import connect, is_missing, registry_errors
from judgeloop.registry.judge_file import (
    ADAPTER_FOLDER,
    JUDGE_FILE,
    JudgeFile,
    check_adapter,
    control_arms,
    read_judge_file,
)
from judgeloop.registry.once import find_or_create
from judgeloop.registry.tracking import ITERATION_TAG, LOOP_TAG, Run
from judgeloop.schema.errors import RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef
from judgeloop.store import Store, upload_folder
from judgeloop.store.folders import CHECKSUMS

if TYPE_CHECKING:
    from mlflow import MlflowClient

CANDIDATE = "candidate"
CHAMPION = "champion"
PREVIOUS = "previous"
CONTENT_TAG = "judgeloop.content_key"
_IDENTITY = (CONTENT_TAG, LOOP_TAG, ITERATION_TAG)
REPLACED_TAG = "judgeloop.replaced"
"""On a version that was promoted: the champion before it, empty where there was none."""
_log = logging.getLogger(__name__)
_MODEL_TYPE = "vlm-judge"
_LOGGED = "models:/"
_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


class Registered(NamedTuple):
    """A version, and the logged model that holds its files."""

    version: str
    model_id: str


class Start(NamedTuple):
    """A version that a loop goes on from."""

    version: str
    model: ModelRef
    controls: tuple[str, ...]
    """The study's control arms behind it; none for a judge by the method."""


class ChampionMovedError(RegistryError):
    """Another version has become the champion since the candidate was compared."""


class Resolved(NamedTuple):
    """A registered version."""

    name: str
    version: str
    judge: JudgeFile

    @property
    def uri(self) -> str:
        """`models:/name/version`."""
        return version_uri(self.name, self.version)


def version_uri(model_name: str, version: str) -> str:
    """Returns `models:/name/version`."""
    return f"models:/{model_name}/{version}"


def register_version(
    model_name: str,
    fill: Callable[[Path], None],
    run: Run,
    content: str,
    tags: Mapping[str, str],
) -> Registered:
    """Registers a version, once however often it is called, and makes it the `candidate`.

    Args:
        model_name: The registered model; created where needed.
        fill: Writes the version's `judge.json` and `adapter/` into an empty folder; called where
            there is no such version yet.
        run: The run that made it.
        content: Names what is registered; together with the tags of loop and iteration it says
            whether it is registered already.
        tags: Tags of the version, among them those of loop and iteration.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    tags = {**tags, CONTENT_TAG: content}
    with registry_errors(f"cannot register a version of {model_name}"):
        found = _find(client, model_name, tags) or _create(client, model_name, fill, run, tags)
        _remove_twins(client, model_name, tags, found)
        newest = aliases(model_name).get(CANDIDATE)
        if newest is None or int(newest) < int(found.version):
            client.set_registered_model_alias(model_name, CANDIDATE, found.version)
    return Registered(str(found.version), found.source.removeprefix(_LOGGED))


def promote(model_name: str, version: str, instead_of: str | None) -> None:
    """Makes a version the champion, and the champion before it `previous`; twice changes nothing.

    MLflow moves an alias without a condition, so the check is made just before: two promotions
    within the same moment can still both pass.

    Args:
        model_name: The registered model.
        version: The new champion.
        instead_of: The champion that it was compared with; None where there was none.

    Raises:
        ChampionMovedError: Another version is the champion now.
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    old = aliases(model_name).get(CHAMPION)
    if old == version:
        return
    if old != instead_of:
        raise ChampionMovedError(
            f"{version_uri(model_name, version)} was compared with {_named(instead_of)}, but the "
            f"champion is {_named(old)} now: compare it with that one"
        )
    with registry_errors(f"cannot promote {version_uri(model_name, version)}"):
        # Who was replaced is written first: `replaced_by` must answer after a crash at any point.
        client.set_model_version_tag(model_name, version, REPLACED_TAG, old or "")
        if old is not None:
            client.set_registered_model_alias(model_name, PREVIOUS, old)
        client.set_registered_model_alias(model_name, CHAMPION, version)


def replaced_by(model_name: str, version: str) -> str | None:
    """Returns the champion that a promoted version replaced, None where there was none.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    return version_tags(model_name, version).get(REPLACED_TAG) or None


def version_tags(model_name: str, version: str) -> dict[str, str]:
    """Returns the tags of a version.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot read {version_uri(model_name, version)}"):
        return dict(client.get_model_version(model_name, version).tags)


def tag_version(model_name: str, version: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a version.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot tag {version_uri(model_name, version)}"):
        for key, value in sorted(tags.items()):
            client.set_model_version_tag(model_name, version, key, value)


def aliases(model_name: str) -> dict[str, str]:
    """Returns versions by alias; empty where nothing is registered under this name.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    from mlflow.exceptions import MlflowException

    with registry_errors(f"cannot read the aliases of {model_name}"):
        try:
            found = client.get_registered_model(model_name).aliases
        except MlflowException as error:
            if not is_missing(error):
                raise
            return {}
    return {alias: str(version) for alias, version in found.items()}


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
    with tempfile.TemporaryDirectory() as folder:
        path = _download(version_uri(name, version), JUDGE_FILE, Path(folder))
        return Resolved(name, version, read_judge_file(path, uri))


def fetch_version(uri: str, folder: Path) -> Resolved:
    """Brings a version's `judge.json` and `adapter/` into a folder, and checks every byte.

    Args:
        uri: As for `resolve_model`.
        folder: Where to: a new or empty folder, or one that holds this very version already.
            `judge.located(folder)` is the model.

    Raises:
        RegistryError, DataError: As for `resolve_model`, or the adapter is damaged, or the folder
            holds something else.
    """
    name, version = _parse(uri)
    with tempfile.TemporaryDirectory(prefix="judgeloop-version-") as temporary:
        found = Path(temporary)
        _download(version_uri(name, version), "", found)
        judge = read_judge_file(found / JUDGE_FILE, uri)
        check_adapter(found, judge, uri)
        if not folder.is_dir() or not any(folder.iterdir()):
            _copy(found, folder)
        elif read_judge_file(folder / JUDGE_FILE, str(folder)) != judge:
            raise RegistryError(f"{folder} holds another version than {uri}: choose a new folder")
    check_adapter(folder, judge, f"{folder}")
    return Resolved(name, version, judge)


def bring_version(uri: str, store: Store) -> Start:
    """Brings a version's adapter into a store, to go on from.

    Args:
        uri: As for `resolve_model`.
        store: Gets the adapter under its content, once.

    Returns:
        The version, the model with its adapter in the store, and the arms behind it.

    Raises:
        RegistryError, DataError: As for `fetch_version`.
        StoreError: The store cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="judgeloop-version-") as temporary:
        folder = Path(temporary)
        _, version, judge = fetch_version(uri, folder)
        arms = control_arms(judge.config["filtering"]["keep"], judge.controls)
        if judge.model.adapter is None:
            return Start(version, judge.model, arms)
        key = f"adapters/{content_key(judge.adapter_files)}"
        if not store.exists(f"{key}/{CHECKSUMS}"):
            upload_folder(store, folder / ADAPTER_FOLDER, key)
        return Start(version, msgspec.structs.replace(judge.model, adapter=key), arms)


def _named(version: str | None) -> str:
    return "no champion" if version is None else f"version {version}"


def _find(client: MlflowClient, model_name: str, tags: Mapping[str, str]) -> Any:
    """Returns the oldest version with these tags, None where there is none."""
    return next(iter(_all(client, model_name, tags)), None)


def _all(client: MlflowClient, model_name: str, tags: Mapping[str, str]) -> list[Any]:
    """Returns the versions with these tags, the oldest first."""
    found = client.search_model_versions(f"name = '{model_name}' and {_tagged(tags)}")
    return sorted(found, key=lambda version: int(version.version))


def _tagged(tags: Mapping[str, str]) -> str:
    """Returns the filter of what belongs to one iteration of one loop, whatever else it is."""
    return " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in _IDENTITY)


def _remove_twins(
    client: MlflowClient, model_name: str, tags: Mapping[str, str], kept: Any
) -> None:
    """Deletes what a slow server made of requests that were given up and sent again."""
    twins = [
        v.version for v in _all(client, model_name, tags) if int(v.version) > int(kept.version)
    ]
    for twin in twins:
        if not client.get_model_version(model_name, twin).aliases:  # a search does not tell them
            _log.warning("removing version %s, a twin of %s", twin, kept.version)
            client.delete_model_version(model_name, twin)


def _create(
    client: MlflowClient,
    model_name: str,
    fill: Callable[[Path], None],
    run: Run,
    tags: Mapping[str, str],
) -> Any:
    from mlflow.exceptions import MlflowException

    def find_logged() -> Any:
        # One that an earlier start left unfinished is filled again, with the same files.
        found = client.search_logged_models([run.experiment_id], _tagged(tags), max_results=1)
        return next(iter(found), None)

    logged = find_or_create(
        find_logged,
        lambda: client.create_logged_model(
            run.experiment_id, model_name, source_run_id=run.id, tags=tags, model_type=_MODEL_TYPE
        ),
    )
    with tempfile.TemporaryDirectory(prefix="judgeloop-version-") as folder:
        fill(Path(folder))
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return find_or_create(
        lambda: _find(client, model_name, tags),
        lambda: client.create_model_version(
            model_name,
            f"{_LOGGED}{logged.model_id}",
            run_id=run.id,
            tags=dict(tags),
            model_id=logged.model_id,
        ),
    )


def _parse(uri: str) -> tuple[str, str]:
    match = _URI.fullmatch(uri)
    if match is None:
        raise RegistryError(
            f"{uri!r} is no address of a registered judge: write models:/name@alias, such as "
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


def _download(uri: str, path: str, folder: Path) -> Path:
    """Copies a file of a version, or with an empty path all of them; returns the local path."""
    client = connect()
    from mlflow.artifacts import download_artifacts

    name, version = uri.removeprefix(_LOGGED).rsplit("/", 1)
    with registry_errors(f"cannot read {uri}"):
        client.get_model_version(name, version)  # its message is better than the download's
        download_artifacts(
            artifact_uri=f"{uri}/{path}".rstrip("/"),
            dst_path=str(folder),
            tracking_uri=client.tracking_uri,
            registry_uri=client.tracking_uri,
        )
    return folder / path


def _copy(found: Path, folder: Path) -> None:
    """Copies what belongs to a version; MLflow adds files of its own to a download."""
    folder.mkdir(parents=True, exist_ok=True)
    if (found / ADAPTER_FOLDER).is_dir():
        shutil.copytree(found / ADAPTER_FOLDER, folder / ADAPTER_FOLDER)
    shutil.copyfile(found / JUDGE_FILE, folder / JUDGE_FILE)
