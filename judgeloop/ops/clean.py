"""What may be removed from a store, and its removal; `judgeloop.ops.reachable` says what is needed.

Nothing is ever removed that judgeloop's stages did not write: other files below the store's root
stay. While anyone is at work in the store, every loop counts as one that is not at its end, for the
lease of a stage does not name its loop. Manifests go first, so that nobody takes work for done that
is half removed; killed in the middle, it is finished by doing it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack

from judgeloop.ops.reachable import Reach
from judgeloop.ops.status import loop_ids, read_status
from judgeloop.ops.workers import Worker
from judgeloop.registry.judge_file import JudgeFile
from judgeloop.runtime.lease import FOLDER
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stage_table import STAGES
from judgeloop.schema.errors import ConfigError, RegistryError
from judgeloop.schema.records import Record
from judgeloop.store import Store

IMAGES = "images"
OF_NO_STAGE = ("gold", "adapters", IMAGES)
"""Top folders beside those of stages whose objects may go."""
_LEASES = f"{FOLDER}/"


class Heap(Record, frozen=True, kw_only=True):
    """The objects of one top folder."""

    stage: str
    kept: int
    kept_bytes: int
    removed: int
    removed_bytes: int


class Plan(Record, frozen=True, kw_only=True):
    """What may be removed, and why the rest stays."""

    heaps: tuple[Heap, ...]
    removed: tuple[str, ...]
    """Keys, in the order in which they are removed."""
    versions: int
    """Registered versions that keep what made them."""
    unfinished: tuple[str, ...]
    """Loops that keep what they have."""
    workers: tuple[str, ...]
    """Who is at work."""


def plan_cleaning(
    store: Store,
    judges: Iterable[JudgeFile],
    workers: Sequence[Worker] = (),
    forget: Collection[str] = (),
) -> Plan:
    """Finds what may be removed; removes nothing.

    Args:
        store: The store.
        judges: The judge files of all registered versions.
        workers: Who is at work in the store.
        forget: Loops that keep nothing and go themselves, ledger and report.

    Raises:
        ConfigError: A loop to be forgotten is not there, or may be at work.
        RegistryError: A loop registered versions, and the registry has none of them.
        StoreError, DataError: The store cannot be read, or what is needed is damaged.
    """
    judges, loops = list(judges), loop_ids(store)
    _check_forgotten(store, loops, workers, forget)
    unfinished = [
        loop_id
        for loop_id in loops
        if loop_id not in forget and (workers or read_status(store, loop_id).state != "finished")
    ]
    _check_registry(store, set(loops) - set(unfinished) - set(forget), judges)
    sizes = {key: size for key, size in store.sizes("").items() if not key.startswith(_LEASES)}
    needed, named = Reach(store, sizes), Reach(store, sizes)
    for judge in judges:
        needed.add_version(judge)
        needed.add_start(Ledger(store, judge.loop_id))
    for loop_id in loops:
        named.add_loop(Ledger(store, loop_id))
        if loop_id in unfinished:
            needed.add_loop(Ledger(store, loop_id))
    images = {key for key in sizes if key.startswith(f"{IMAGES}/")}
    kept_images = images if unfinished else needed.images(sorted(images))
    at_work = {worker.folder for worker in workers}
    written = {*OF_NO_STAGE, *(spec.name for spec in STAGES if not spec.permanent)}

    def goes(key: str) -> bool:
        top, _, rest = key.partition("/")
        folder = f"{top}/{rest.partition('/')[0]}"
        if top == "loops":
            return rest.partition("/")[0] in forget
        if top not in written or folder in needed.folders or folder in at_work:
            return False
        if top == IMAGES:
            return key not in kept_images
        return not unfinished or folder in named.folders

    removed = sorted(filter(goes, sizes), key=_turn)
    return Plan(
        heaps=_heaps(sizes, set(removed)),
        removed=tuple(removed),
        versions=len(judges),
        unfinished=tuple(unfinished),
        workers=tuple(f"{worker.holder} on {worker.work}" for worker in workers),
    )


def remove(store: Store, plan: Plan) -> None:
    """Removes what a plan names; doing it again is no error.

    Raises:
        StoreError: The store cannot be written; what is left goes the next time.
    """
    for key in plan.removed:
        store.delete(key)


def hold_loops(store: Store, workers: Sequence[Worker]) -> ExitStack:
    """Keeps loops from being started here while the block runs, but for those that are at work."""
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
            f"--forget {sorted(forget)[0]}: {workers[0].holder} is at work on {workers[0].work}, "
            "maybe for this very loop; wait until it has ended"
        )


def _check_registry(store: Store, finished: set[str], judges: Sequence[JudgeFile]) -> None:
    known = {judge.loop_id for judge in judges}
    for loop_id in sorted(finished - known):
        versions = [
            made.details.get("version", "?")
            for manifests in Ledger(store, loop_id).manifests("register").values()
            for made in manifests
        ]
        if versions:
            raise RegistryError(
                f"loop {loop_id} registered the versions {', '.join(versions)}, and this registry "
                "has none of them: name the right one in MLFLOW_TRACKING_URI. If they were deleted "
                f"on purpose, add --forget {loop_id}."
            )


def _turn(key: str) -> tuple[int, str]:
    """Manifests and what else says that something is there go before what they speak of."""
    first = key.endswith(("/manifest.json", "/loop.json", "/checksums.json"))
    return (0 if first or key.startswith(f"{IMAGES}/indexes/") else 1, key)


def _heaps(sizes: dict[str, int], removed: set[str]) -> tuple[Heap, ...]:
    objects: Counter[tuple[str, bool]] = Counter()
    amount: Counter[tuple[str, bool]] = Counter()
    for key, size in sizes.items():
        place = (key.partition("/")[0], key in removed)
        objects[place] += 1
        amount[place] += size
    return tuple(
        Heap(
            stage=stage,
            kept=objects[stage, False],
            kept_bytes=amount[stage, False],
            removed=objects[stage, True],
            removed_bytes=amount[stage, True],
        )
        for stage in sorted({stage for stage, _ in objects})
    )
