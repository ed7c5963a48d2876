"""A new stage needs its function with its settings, its row, its component and its place.

A stage `polish` is added to a copy of the repository as CONTRIBUTING.md says, and then everything
that reads the table of stages is asked about it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.store import open_store
from tests.conftest import REPOSITORY

FUNCTION = '''
from judgeloop.runtime.once import once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import PolishSettings
from judgeloop.schema.records import Example, Manifest
from judgeloop.store import Store
from judgeloop.store.shards import Work, read_shards, write_shards


def polish(config: PolishSettings, store: Store, examples: Manifest) -> Manifest:
    """Writes the examples once more."""
    header = stage_manifest("polish", config, examples=examples)
    batches = read_shards(store, examples, Example)
    return once(store, "polish", header.key, lambda _: write_shards(store, header, batches, Work))
'''
SETTINGS = '''

class Keep(Section, frozen=True, kw_only=True):
    """Of the section `filtering`."""

    keep: str


class PolishSettings(StageSettings, frozen=True, kw_only=True):
    """Read by `polish`."""

    filtering: Keep
'''
ROW = """    StageSpec(name="polish", function="polish:polish", phases=("iteration",),
              settings=PolishSettings,
              key=KeySpec(settings=("filtering.keep",), inputs=("examples",)), section="filtering"),
"""
COMPONENT = '''"""Polishes examples."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("polish"), install_kfp_package=False)
def polish(
    config: str,
    loop_id: str,
    iteration: int,
    examples: dsl.Input[dsl.Dataset],
    polished: dsl.Output[dsl.Dataset],
):
    """Writes the examples once more.

    Resumed: runs again.

    Args:
        config: The configuration as JSON (`Config.to_json`).
        loop_id: Names the loop.
        iteration: From 1.
        examples: Manifest written by `filter`.

    Outputs:
        polished: Manifest of the polished examples.
    """
    from judgeloop.runtime import tasks

    tasks.run("polish", config, loop_id, polished.path, iteration, examples=examples.path)
'''
ENOUGH = '    StageSpec(\n        name="enough"'
KEPT = '    examples = placement.place(kept).outputs["examples"]\n'
PLACE = """    polished = placement.place(polish(**common, examples=examples))
    examples = polished.outputs["polished"]
"""


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, f"{path.name}: {old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new))


def python(tree: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, check=False, capture_output=True, text=True,
        env=os.environ | {"COLUMNS": "200", "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with one more stage."""
    tree = tmp_path_factory.mktemp("repository")
    for folder in ("judgeloop", "components", "pipelines", "k8s"):
        shutil.copytree(REPOSITORY / folder, tree / folder)
    (tree / "judgeloop/runtime/stages/polish.py").write_text(FUNCTION)
    (tree / "components/polish").mkdir()
    (tree / "components/polish/component.py").write_text(COMPONENT)
    table = tree / "judgeloop/runtime/stage_table.py"
    edit(
        table,
        '    StageSpec(\n        name="enough"',
        ROW + '    StageSpec(\n        name="enough"',
    )
    edit(table, "    RecordSettings,\n", "    PolishSettings,\n    RecordSettings,\n")
    settings = tree / "judgeloop/runtime/stage_settings.py"
    settings.write_text(settings.read_text() + SETTINGS)
    shape = tree / "pipelines/iteration.py"
    imports = "from components.register.component import register\n"
    edit(shape, imports, "from components.polish.component import polish\n" + imports)
    edit(shape, KEPT, KEPT + PLACE)
    return tree


@pytest.fixture(scope="module")
def run(tree: Path) -> Iterator[Path]:
    """The folder of a run of the loop with one more stage."""
    out = tree / "run"
    python(tree, "-m", "pipelines", "run", "--config", "pipelines/configs/micro.yaml",
           "--set", "loop.iterations=1", "--out", str(out), "--loop-id", "loop")  # fmt: skip
    yield out
    shutil.rmtree(out)


def test_its_readme_says_what_the_table_declares(tree: Path) -> None:
    python(tree, "-m", "components.readme")
    text = (tree / "components/polish/README.md").read_text()
    assert "- **Image**: cpu (" in text
    assert "- **GPU**: no" in text


def test_it_is_compiled_with_its_profile_and_without_its_row_refused(tree: Path) -> None:
    profile = "from pipelines.profile import read_profile; profile = read_profile('cpu')"
    compiles = (
        "import sys; from pathlib import Path\n" + profile + "\n"
        "from pipelines.compile import compile_pipeline\n"
        "compile_pipeline(Path(sys.argv[1]), 1, 1, profile, local=True)\n"
        "from pipelines.spec import read_spec\n"
        "settings = read_spec(Path(sys.argv[1])).kubernetes['exec-polish']\n"
        "print(settings['activeDeadlineSeconds'] == str(profile.cpu.timeout_s))"
    )
    assert "True" in python(tree, "-c", compiles, str(tree / "p.yaml"))
    table = tree / "judgeloop/runtime/stage_table.py"
    edit(table, ROW, "")
    try:
        refused = python(tree, "-c", compiles, str(tree / "p.yaml"), code=1)
    finally:
        edit(
            table,
            '    StageSpec(\n        name="enough"',
            ROW + '    StageSpec(\n        name="enough"',
        )
    assert "no row of polish" in refused


@pytest.mark.slow
def test_the_loop_runs_it_and_status_clean_and_report_know_it(tree: Path, run: Path) -> None:
    store = open_store(str(run / "store"))
    (entry,) = [each for each in Ledger(store, "loop").entries() if each.stage == "polish"]
    assert entry.manifest is not None
    assert entry.manifest.rows > 0
    status = python(tree, "-m", "judgeloop.cli", "status", str(run), "--loop", "loop")
    assert "polish" in status
    lines = [line.split()[0] for line in status.splitlines() if line.split()]
    assert lines.index("filter") < lines.index("polish") < lines.index("train")
    assert "polish" in (run / "report.html").read_text()
    (run / "store/loops/loop/tasks/001-polish.json").unlink()
    missing = python(tree, "-m", "judgeloop.cli", "status", str(run), "--loop", "loop")
    assert "001-polish" in missing
    cleaned = python(tree, "-m", "judgeloop.cli", "clean", str(run), "--forget", "loop")
    assert any(line.split()[:1] == ["polish"] for line in cleaned.splitlines())
