"""Errors 8 to 10 of docs/evaluation.md, made on purpose in a copy: the test that it names fails.

The tests of the other errors make the mistake themselves: by judges and data, or, of secrets, by
planting them in a compiled pipeline. These three are mistakes of code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow
MISTAKES = [
    (
        "validation on the training set",
        "judgeloop/runtime/stages/ingest.py",
        "    if True in held_out:\n",
        '    if fraction("held out", seed, question.id) < share:\n',
        "tests/unit/test_ingest.py",
        "test_all_questions_about_an_image_share_a_split_and_the_held_out_part_shares_no_image",
    ),
    (
        "resources freed on success only",
        "judgeloop/runtime/lease.py",
        "    finally:\n        lease.release()\n",
        "    except ArithmeticError:\n        raise\n    else:\n        lease.release()\n",
        "tests/contract/test_lease.py",
        "test_a_lease_is_given_up_when_the_work_fails",
    ),
    (
        "three attempts that are two",
        "judgeloop/store/s3.py",
        '"total_max_attempts": attempts}',
        '"total_max_attempts": attempts - 1}',
        "tests/contract/test_store_s3.py",
        "test_the_standard_variable_sets_how_often_it_tries",
    ),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, without what is made in it."""
    tree = tmp_path_factory.mktemp("copy") / "repository"
    left_out = shutil.ignore_patterns(".*", "__pycache__", "build", "runs", "mutants")
    shutil.copytree(REPOSITORY, tree, ignore=left_out)
    return tree


def passes(tree: Path, file: str, name: str) -> bool:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, "-k", name],
        cwd=tree, check=False, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(
    ("path", "right", "wrong", "file", "name"),
    [mistake[1:] for mistake in MISTAKES],
    ids=[mistake[0].replace(" ", "_") for mistake in MISTAKES],
)
def test_a_peers_mistake_in_our_code_fails_the_test_that_is_named_for_it(
    path: str, right: str, wrong: str, file: str, name: str, tree: Path
) -> None:
    broken = tree / path
    text = broken.read_text()
    assert text.count(right) == 1, f"{path} no longer has {right!r}"
    assert passes(tree, file, name)
    broken.write_text(text.replace(right, wrong))
    try:
        assert not passes(tree, file, name)
    finally:
        broken.write_text(text)
