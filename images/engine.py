"""The program that builds, keeps and pushes images: docker, podman or buildah."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = ("docker", "podman", "buildah")
_PUSHED = re.compile(r": digest: (sha256:[0-9a-f]{64}) size: \d+$")
_LOOPBACK = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$")


class ImageError(Exception):
    """An image cannot be built or pushed; the message says why and what to do."""


@dataclass(frozen=True)
class Engine:
    """One of the programs, by its name or path."""

    program: str

    @property
    def name(self) -> str:
        """`docker`, `podman` or `buildah`."""
        return Path(self.program).name

    def run(self, *arguments: str) -> None:
        """Runs the program and shows its output.

        Raises:
            ImageError: It failed.
        """
        # By default buildah makes a single layer of an image, so that each push would send all of
        # it.
        environment = {"BUILDAH_LAYERS": "true", **os.environ}
        done = subprocess.run([self.program, *arguments], check=False, env=environment)
        self._check(arguments[0], done.returncode)

    def _check(self, command: str, code: int) -> None:
        if code:
            said = f"`{self.name} {command}` ended with code {code}"
            raise ImageError(f"{said}; its message is above")

    def has(self, tag: str) -> bool:
        """Whether there is a local image of that name."""
        look = ["inspect", "--type", "image"] if self.name == "buildah" else ["image", "inspect"]
        done = subprocess.run([self.program, *look, tag], check=False, capture_output=True)
        return done.returncode == 0

    def build(
        self, file: Path, context: Path, tag: str, arguments: Mapping[str, str],
        pip_conf: Path | None = None, mounts: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        """Builds an image.

        Args:
            file: The Containerfile.
            context: The folder that it copies from.
            tag: The image's local name.
            arguments: Build arguments.
            pip_conf: Settings for pip while it builds.
            mounts: Local paths in these settings; docker cannot mount them.
        """
        command = ["build", "--file", str(file), "--tag", tag]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        if pip_conf is not None:
            command += ["--secret", f"id=pip,src={pip_conf}"]
        if self.name != "docker":
            command += ["--network", "host", "--format", "oci"]
            command += [f"--volume={path}:{path}:ro" for path in mounts]
        self.run(*command, str(context))

    def push(self, local: str, remote: str) -> str:
        """Pushes a local image under a name in a registry, and returns its digest there.

        A registry on the loopback may speak plain HTTP, with every engine as with docker.
        """
        if self.name == "docker":
            self.run("tag", local, remote)
            return self._push_with_docker(remote)
        insecure = ["--tls-verify=false"] if _LOOPBACK.match(remote.split("/")[0]) else []
        with tempfile.TemporaryDirectory() as folder:
            digest = Path(folder) / "digest"
            self.run("push", *insecure, "--digestfile", str(digest), local, f"docker://{remote}")
            return digest.read_text().strip()

    def _push_with_docker(self, remote: str) -> str:
        """Pushes with docker, whose output has the digest: the local image's may differ.

        Layers are recompressed for the push, and podman's service, which the same client can use,
        still reports the old digest.
        """
        digest = None
        pushing = [self.program, "push", remote]
        with subprocess.Popen(pushing, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                sys.stdout.write(line)
                if found := _PUSHED.search(line):
                    digest = found[1]
        self._check("push", process.returncode)
        if digest is None:
            raise ImageError(f"docker did not say the digest of {remote}")
        return digest


def find_engine(wanted: str | None) -> Engine:
    """Returns the requested engine, else the first that is installed.

    Raises:
        ImageError: There is none.
    """
    for name in [wanted] if wanted else NAMES:
        if (found := shutil.which(name)) and Path(name).name in NAMES:
            return Engine(found)
    raise ImageError(f"{wanted or 'no container engine'}: install one of {', '.join(NAMES)}")
