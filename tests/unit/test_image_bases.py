"""Every image is built on a base that a digest fixes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "images").rglob("Containerfile*"))
DIGEST = re.compile(r"[\w.-]+(?:[:/][\w.-]+)*@sha256:[0-9a-f]{64}")


def bases(text: str) -> list[str]:
    """The images that the stages of a file begin with, but for earlier stages."""
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    found: list[str] = []
    stages: set[str] = set()
    for image, name in re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE):
        if image not in stages:
            found.append(re.sub(r"\$\{(\w+)\}", lambda it: defaults[it[1]], image))
        stages.add(name)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.parent.name)
def test_every_from_names_a_digest(file: Path) -> None:
    found = bases(file.read_text())
    assert found
    assert all(DIGEST.fullmatch(base) for base in found), found


def test_all_images_have_one_base_which_the_page_names() -> None:
    (base,) = {base for file in FILES for base in bases(file.read_text())}
    tag, _, digest = base.partition("@")
    page = (REPOSITORY / "images/README.md").read_text()
    assert f"`{tag}@{digest[:15]}...`" in page
    assert f"imagetools inspect {tag.removeprefix('docker.io/library/')}" in page


@pytest.mark.parametrize(
    "text",
    [
        "FROM python:3.11",
        "ARG BASE=python\nFROM ${BASE}",
        "FROM a@sha256:12",
        "FROM b AS x\nFROM x",
    ],
)
def test_a_base_without_a_digest_would_be_seen(text: str) -> None:
    assert not all(DIGEST.fullmatch(base) for base in bases(text))


def test_images_are_built_where_nothing_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "images", "--help"], cwd=REPOSITORY, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
