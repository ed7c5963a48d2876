"""`python -m images build | push | base`: the commands behind `make images` and `make push`."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from images.base import make_base
from images.engine import ImageError, find_engine
from images.pip_settings import local_paths, read_settings, write_settings
from judgeloop.runtime.redaction import hide_secrets, shown

FOLDER = Path(__file__).resolve().parent
REPOSITORY = FOLDER.parent
LOCK = FOLDER / "images.lock"
NAMES = ("cpu", "gpu")
TAG = "dev"
"""The tag of local builds, by which the compiler recognizes an image that was not pushed."""


def local_name(name: str) -> str:
    """Returns the name of a local build."""
    return f"judgeloop-{name}:{TAG}"


def build(options: argparse.Namespace) -> None:
    """Builds images from the working tree."""
    engine = find_engine(options.engine)
    settings = read_settings()
    pip_conf = REPOSITORY / "build" / "images" / "pip.conf"
    write_settings(settings, pip_conf)
    given = [each.partition("=") for each in options.build_arg]
    if wrong := [name for name, equals, _ in given if not equals]:
        raise ImageError(f"{' '.join(wrong)}: write build arguments as NAME=VALUE, without spaces")
    arguments = {"REVISION": _revision(), "VERSION": _version()}
    arguments |= {name: value for name, _, value in given}
    for name in options.only or NAMES:
        engine.build(
            FOLDER / name / "Containerfile", REPOSITORY, local_name(name), arguments,
            pip_conf if settings else None, local_paths(settings),
        )  # fmt: skip


def push(options: argparse.Namespace) -> None:
    """Pushes the local builds and records their digests."""
    engine = find_engine(options.engine)
    recorded = _recorded(options.lock)
    for name in options.only or NAMES:
        repository = f"{options.registry.rstrip('/')}/judgeloop-{name}"
        digest = engine.push(local_name(name), f"{repository}:{options.tag or _revision()}")
        recorded[name] = f"{repository}@{digest}"
        lines = [f'{role} = "{reference}"\n' for role, reference in sorted(recorded.items())]
        options.lock.write_text(
            "# Written by `make push`; the compiler reads it.\n" + "".join(lines)
        )
        sys.stdout.write(f"{name}  {recorded[name]}\n")


def _recorded(lock: Path) -> dict[str, str]:
    try:
        return tomllib.loads(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    except ValueError as error:
        raise ImageError(f"{lock} is not TOML ({error}): restore it, or delete it") from error


def base(options: argparse.Namespace) -> None:
    """Creates a base image from Debian packages, for use without a registry."""
    make_base(find_engine(options.engine), options.tag, options.mirror, REPOSITORY / "build/images")


def _revision() -> str:
    """The commit, with `-dirty` where the working tree differs from it."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _version() -> str:
    source = (REPOSITORY / "judgeloop" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    return found[1] if found else "unknown"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    parser.add_argument("--engine", help="docker, podman or buildah; default: the first installed")
    commands = parser.add_subparsers(required=True)
    building = commands.add_parser("build", help="build the images from the working tree")
    building.add_argument("--only", action="append", choices=NAMES, help="default: all")
    building.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    building.set_defaults(command=build)
    pushing = commands.add_parser("push", help="push them and record their digests")
    pushing.add_argument("--only", action="append", choices=NAMES, help="default: all")
    pushing.add_argument("--registry", required=True, help="such as registry.example/team")
    pushing.add_argument("--tag", help="default: the commit")
    pushing.add_argument("--lock", type=Path, default=LOCK, help="default: images/images.lock")
    pushing.set_defaults(command=push)
    basing = commands.add_parser("base", help="make a base image from Debian's packages, as root")
    basing.add_argument("--tag", required=True)
    basing.add_argument("--mirror", help="a Debian mirror; default: debootstrap's own")
    basing.set_defaults(command=base)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    hide_secrets("%(message)s", "WARNING")
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ImageError as error:
        sys.stderr.write(shown(f"error: {error}") + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
