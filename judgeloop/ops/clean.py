"""Removes unneeded objects from a store; `judgeloop.ops.reachable` computes what is needed.

Only what judgeloop wrote is removed: a store must have our marker, and a key must have exactly the
form that a stage writes; other files below the store's root are kept. What
killed writers left (unfinished files and uploads, temporary folders) is removed once no worker is
active.

While any worker is active in the store, every loop counts as unfinished, since the lease of a stage
does not name its loop. Manifests are removed first, so that half-removed work never counts as
finished; if cleaning is killed, run it again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack

from judgeloop.ops.own_keys import ADAPTERS, GOLD, IMAGES, is_own, is_own_leftover
from judgeloop.ops.reachable import ReachableSet
from judgeloop.ops.status import loop_ids, read_status
from judgeloop.ops.workers import Worker
from judgeloop.registry.judge_file import JudgeFile
from judgeloop.runtime.lease import FOLDER
from judgeloop.runtime.ledger import MARKER, Ledger, is_evaluation, is_marked
from judgeloop.runtime.stage_table import STAGES
from judgeloop.schema.errors import ConfigError, RegistryError
from judgeloop.schema.records import Record
from judgeloop.schema.results import Registered
from judgeloop.store import Store
from judgeloop.store.scratch import abandoned

OTHER_FOLDERS = (GOLD, ADAPTERS, IMAGES)
"""Top-level folders, besides those of stages, whose objects may be removed."""
LEFT_FOR_S = 24 * 3600.0
"""Age above which an unfinished file or upload is considered abandoned."""
_LEASES = f"{FOLDER}/"


class FolderTotals(Record, frozen=True, kw_only=True):
    """The objects of one top-level folder."""

    stage: str
    kept: int
    kept_bytes: int
    removed: int
    removed_bytes: int


class Plan(Record, frozen=True, kw_only=True):
    """What may be removed, and why the rest is kept."""

    totals: tuple[FolderTotals, ...]
    removed: tuple[str, ...]
    """Keys, in the order in which they are removed."""
    leftovers: tuple[str, ...]
    """Unfinished files and uploads of killed writers; they are not objects, so they have no
    keys."""
    folders: tuple[str, ...]
    """Temporary folders of dead processes of this machine."""
    versions: int
    """Number of registered versions, whose inputs are kept."""
    unfinished: tuple[str, ...]
    """Unfinished loops, of which everything is kept."""
    workers: tuple[str, ...]
    """Active workers."""


def plan_cleaning(
    store: Store,
    judges: Iterable[JudgeFile],
    workers: Sequence[Worker] = (),
    forget: Collection[str] = (),
) -> Plan:
    """Determines what may be removed, without removing it.

    Args:
        store: The store.
        judges: The judge files of all registered versions.
        workers: Active workers in the store.
        forget: Unfinished loops to give up, with their ledger and report.

    Raises:
        ConfigError: The store is not marked as judgeloop's, or a loop to be forgotten does not
            exist or may be active.
        RegistryError: A loop registered versions, and the registry has none of them.
        StoreError, DataError: The store cannot be read, or needed data is damaged.
    """
    if not is_marked(store):
        raise ConfigError(
            f"{store.uri} has no {MARKER} of judgeloop, so it is not known to be its store, and "
            "nothing in it is removed; check the address (starting a loop there marks a store)"
        )
    judges, loops = list(judges), loop_ids(store)
    _check_forgotten(store, loops, workers, forget)
    unfinished = [
        loop_id
        for loop_id in loops
        if loop_id not in forget and (workers or read_status(store, loop_id).state != "finished")
    ]
    _check_registry(store, set(loops) - set(unfinished) - set(forget), judges)
    sizes = {key: size for key, size in store.sizes("").items() if not key.startswith(_LEASES)}
    needed, named = ReachableSet(store, sizes), ReachableSet(store, sizes)
    for judge in judges:
        needed.add_version(judge)
        needed.add_start(Ledger(store, judge.loop_id))
    for loop_id in loops:
        named.add_loop(Ledger(store, loop_id))
        # An evaluation's ledger is the only reference to its results: no judge file names them.
        if loop_id in unfinished or (is_evaluation(loop_id) and loop_id not in forget):
            needed.add_loop(Ledger(store, loop_id))
    images = {key for key in sizes if key.startswith(f"{IMAGES}/")}
    kept_images = images if unfinished else needed.images(sorted(images))
    at_work = {worker.folder for worker in workers}
    written = {*OTHER_FOLDERS, *(spec.name for spec in STAGES if not spec.permanent)}

    def is_unneeded(key: str) -> bool:
        if not is_own(key):
            return False
        top, _, rest = key.partition("/")
        folder = f"{top}/{rest.partition('/')[0]}"
        if top == "loops":
            return rest.partition("/")[0] in forget
        if top not in written or folder in needed.folders or folder in at_work:
            return False
        if top == IMAGES:
            return key not in kept_images
        return not unfinished or folder in named.folders

    removed = sorted(filter(is_unneeded, sizes), key=_removal_order)
    return Plan(
        totals=_totals(sizes, set(removed)),
        removed=tuple(removed),
        leftovers=() if workers else tuple(_left(store)),
        folders=tuple(map(str, abandoned())),
        versions=len(judges),
        unfinished=tuple(unfinished),
        workers=tuple(f"{worker.holder} on {worker.work}" for worker in workers),
    )


def remove(store: Store, plan: Plan) -> None:
    """Removes what a plan lists; idempotent.

    Raises:
        StoreError: The store cannot be written; the rest is removed the next time.
    """
    for key in plan.removed:
        store.delete(key)
    for name in plan.leftovers:
        store.discard(name)
    for folder in plan.folders:
        shutil.rmtree(folder, ignore_errors=True)  # it may have been removed meanwhile


def _left(store: Store) -> Iterator[str]:
    ages = store.unfinished()
    return (name for name in ages if ages[name] > LEFT_FOR_S and is_own_leftover(name))


def hold_loops(store: Store, workers: Sequence[Worker]) -> ExitStack:
    """Holds the leases of all loops without an active worker, so that none can be started."""
    busy = {worker.loop_id for worker in workers}
    with ExitStack() as stack:
        for loop_id in loop_ids(store):
            if loop_id not in busy:
                stack.enter_context(Ledger(store, loop_id).held())
        return stack.pop_all()


def _check_forgotten(
    store: Store, loops: Sequence[str], workers: Sequence[Worker], forget: Collection[str]
) -> None:
    if strange := sorted(set(forget) - set(loops)):
        raise ConfigError(f"--forget {strange[0]}: {store.uri} holds no such loop")
    if forget and workers:
        raise ConfigError(
            f"--forget {sorted(forget)[0]}: {workers[0].holder} is working on {workers[0].work}, "
            "maybe for this very loop; wait until it has ended"
        )


def _check_registry(store: Store, finished: set[str], judges: Sequence[JudgeFile]) -> None:
    known = {judge.loop_id for judge in judges}
    for loop_id in sorted(finished - known):
        versions = [
            made.expect(Registered).version
            for manifests in Ledger(store, loop_id).manifests("register").values()
            for made in manifests
        ]
        if versions:
            raise RegistryError(
                f"loop {loop_id} registered the versions {', '.join(versions)}, and this registry "
                "has none of them: name the right one in MLFLOW_TRACKING_URI. If they were deleted "
                f"on purpose, add --forget {loop_id}."
            )


def _removal_order(key: str) -> tuple[int, str]:
    """Sorts manifests and other markers before the data that they describe."""
    first = key.endswith(("/manifest.json", "/loop.json", "/checksums.json"))
    return (0 if first or key.startswith(f"{IMAGES}/indexes/") else 1, key)


def _totals(sizes: dict[str, int], removed: set[str]) -> tuple[FolderTotals, ...]:
    objects: Counter[tuple[str, bool]] = Counter()
    amount: Counter[tuple[str, bool]] = Counter()
    for key, size in sizes.items():
        place = (key.partition("/")[0], key in removed)
        objects[place] += 1
        amount[place] += size
    return tuple(
        FolderTotals(
            stage=stage,
            kept=objects[stage, False],
            kept_bytes=amount[stage, False],
            removed=objects[stage, True],
            removed_bytes=amount[stage, True],
        )
        for stage in sorted({stage for stage, _ in objects})
    )
