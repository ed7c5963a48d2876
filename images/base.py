"""Creates a base image from Debian packages, for machines that reach a mirror but no registry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from images.engine import Engine, ImageError

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
"""`python3` of this suite is CPython 3.11."""
CHANGES = (
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    'CMD ["python3"]',
)


def make_base(engine: Engine, tag: str, mirror: str | None, folder: Path) -> None:
    """Bootstraps Debian with CPython 3.11 and imports it as an image, unless the image exists.

    Args:
        engine: docker or podman.
        tag: The image's local name. An existing image is kept: a new one would rebuild all layers.
        mirror: A Debian mirror; None: debootstrap's own.
        folder: Folder for the file system; a finished one is reused.

    Raises:
        ImageError: debootstrap is missing or fails, or the engine cannot import an image.
    """
    if engine.name == "buildah":
        raise ImageError("buildah cannot import a file system: use docker or podman")
    if engine.has(tag):
        return
    program = shutil.which("debootstrap", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        raise ImageError("debootstrap is not installed: run `make system-deps`")
    archive = folder / "base.tar"
    if not archive.is_file():
        _bootstrap(program, mirror, folder / "rootfs", archive)
    changes = [word for change in CHANGES for word in ("--change", change)]
    engine.run("import", *changes, str(archive), tag)


def _bootstrap(program: str, mirror: str | None, rootfs: Path, archive: Path) -> None:
    if rootfs.exists():
        shutil.rmtree(rootfs)  # of an interrupted build
    rootfs.parent.mkdir(parents=True, exist_ok=True)
    include = f"--include={','.join(PACKAGES)}"
    command = [program, "--variant=minbase", include, SUITE, str(rootfs)]
    command += [mirror] if mirror else []
    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
        raise ImageError(f"debootstrap failed; see {rootfs}/debootstrap/debootstrap.log")
    part = archive.with_suffix(".part")
    unneeded = ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
    subprocess.run(["tar", "-C", str(rootfs), *unneeded, "-cf", str(part), "."], check=True)
    part.rename(archive)
    shutil.rmtree(rootfs)
