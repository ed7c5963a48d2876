"""Which survivors are explained: the entries of `equivalent/*.toml`.

An entry names mutants of one function and says why no test can notice them (`equivalent`), or which
test notices them that is not run here (`held`). It has the hash of the function, and counts only
while the function has this text: a change renumbers its mutants.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.utils.format_utils import get_mutant_name

FOLDER = Path(__file__).parent / "equivalent"


class Explained:
    """The kind of each explained mutant, by its name, and the entries that no longer count."""

    def __init__(self, files: Iterable[SourceFileMutationData]) -> None:
        self.hashes = {
            get_mutant_name(data.path, function): digest
            for data in files
            for function, digest in data.hash_by_function_name.items()
        }
        self.kinds: dict[str, str] = {}
        self.stale: list[str] = []
        for path in sorted(FOLDER.glob("*.toml")):
            for kind, entries in tomllib.loads(path.read_text()).items():
                for entry in entries:
                    self._add(kind, entry["function"], entry["hash"], entry["mutants"])

    def _add(self, kind: str, function: str, digest: str, mutants: list[int]) -> None:
        if self.hashes.get(function) == digest:
            self.kinds |= {f"{function}__mutmut_{number}": kind for number in mutants}
        else:
            self.stale.append(function)
