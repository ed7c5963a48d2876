"""The reachable set of a store: what `clean` must keep.

**Roots** are the versions registered in MLflow, by the content keys in their `judge.json` (`train`,
`filter`, `validate`, `evaluate`), and the unfinished loops, by all entries of their ledgers, and
the evaluations outside a loop. A loop is finished when `promote` is done, nothing failed, and no
worker is active on it.

**Reached** from a manifest are the manifests that it was made from (`inputs`, back to the questions
and the gold pairs), the adapter of its model, and the images of its data. So
a registered version keeps everything it was made from: it can be used, compared with the next
candidate on the same gold pairs, continued from, explained, and rebuilt without any inference.

A version also keeps the results of the start model of its loop (iteration 0), its opponent.

**Always kept** are ledgers, reports and decisions (`register`, `promote`): they are small and
record what happened. As long as some loop is unfinished, all images and everything that no ledger
names are kept too: the shards of a stage that was killed or is being written, images that were
stored before their rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from judgeloop.registry.judge_file import JudgeFile
from judgeloop.runtime.ledger import BASE_ITERATION, Ledger
from judgeloop.runtime.stage_table import stages_of
from judgeloop.schema.records import Manifest
from judgeloop.store import Store
from judgeloop.store.disk_dict import DiskDict
from judgeloop.store.images.index import INDEXES, pack_key, read_index
from judgeloop.store.shards import manifest_key, read_manifest, read_records

_MANIFEST = re.compile(r"(?P<stage>[^/]+)/(?P<key>[^/]+)/manifest\.json")
_SINGLE = re.compile(r"images/[0-9a-f]{2}/(?P<hash>[0-9a-f]{64})")


class _Named(msgspec.Struct):
    """A record that names images: a question, or a pair with its question, without the rest."""

    images: tuple[str, ...] = ()
    question: _Named | None = None


class ReachableSet:
    """Collects the reachable folders and images of a store; add the roots first.

    Args:
        store: The store.
        keys: All its keys.
    """

    def __init__(self, store: Store, keys: Iterable[str]) -> None:
        self._store = store
        self.folders: set[str] = set()
        """Reachable folders, such as `judge/3f2a...`."""
        self._sources: list[Manifest] = []
        self._places: dict[str, str] = {}
        for key in keys:
            if found := _MANIFEST.fullmatch(key):
                self._places[found["key"]] = found["stage"]

    def add_version(self, judge: JudgeFile) -> None:
        """Adds a registered version; its adapter is stored in the registry."""
        self.add_keys(judge.manifests.values())

    def add_start(self, ledger: Ledger) -> None:
        """Adds the results that a loop computed before its first iteration."""
        for spec in stages_of("start"):
            for manifest in ledger.manifests(spec.name).get(BASE_ITERATION, []):
                self.add(manifest)

    def add_keys(self, keys: Iterable[str]) -> None:
        """Adds content keys; keys of other stores are ignored."""
        for key in keys:
            if key in self._places:
                name = manifest_key(self._places[key], key)
                self.add(read_manifest(self._store.read(name), name))

    def add_loop(self, ledger: Ledger) -> None:
        """Adds every finished task of a loop."""
        for manifest in ledger.done():
            self.add(manifest)

    def add(self, manifest: Manifest) -> None:
        """Adds a manifest and, recursively, its inputs."""
        folder = f"{manifest.stage}/{manifest.key}"
        if folder in self.folders:
            return
        self.folders.add(folder)
        if manifest.model and manifest.model.adapter:
            self._add_adapter(manifest.model.adapter)
        if not manifest.inputs and manifest.shards:
            self._sources.append(manifest)  # derived data refers to no other images
        self.add_keys(manifest.inputs)

    def images(self, keys: Iterable[str]) -> set[str]:
        """Returns the keys below `images/` that hold an image which the data names.

        Raises:
            StoreError, DataError: Data that is needed cannot be read.
        """
        named = self._named()
        needed = set()
        for key in keys:
            single = _SINGLE.fullmatch(key)
            if single and single["hash"] in named:
                needed.add(key)
            elif key.startswith(f"{INDEXES}/"):
                index = read_index(self._store, key)
                packs = {pack_key(pack) for image, pack in index if image in named}
                needed |= packs | ({key} if packs else set())
        return needed

    def _named(self) -> DiskDict[str, str]:
        """Returns the hashes of the images that the data names."""
        found: DiskDict[str, str] = DiskDict()
        for manifest in self._sources:
            for row in read_records(self._store, manifest, _Named):
                for name in row.question.images if row.question else row.images:
                    found.add(name, "")
        return found

    def _add_adapter(self, adapter: str) -> None:
        stage, _, rest = adapter.partition("/")
        key = rest.partition("/")[0]
        if stage and key and "://" not in adapter:  # else it is stored elsewhere
            self.add_keys([key])
            self.folders.add(f"{stage}/{key}")
