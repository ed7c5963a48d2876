"""Reads a compiled pipeline: the specification, and the Kubernetes settings beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Tree = dict[str, Any]


@dataclass(frozen=True)
class Spec:
    """A compiled pipeline as plain mappings."""

    pipeline: Tree
    """The PipelineSpec (first document)."""
    platform: Tree
    """The platform configuration (second document); empty if the pipeline has none."""

    @property
    def components(self) -> Tree:
        """Components by name."""
        return self.pipeline.get("components", {})

    @property
    def executors(self) -> Tree:
        """Executors (image, command, arguments) by label."""
        return self.pipeline["deploymentSpec"]["executors"]

    @property
    def kubernetes(self) -> Tree:
        """Kubernetes settings by executor label."""
        settings = self.platform.get("platforms", {}).get("kubernetes", {})
        return settings.get("deploymentSpec", {}).get("executors", {})

    def component_of(self, task: Tree) -> Tree:
        """Returns the component that a task runs."""
        return self.components[task["componentRef"]["name"]]

    def graphs(self) -> Iterator[tuple[str, Tree]]:
        """Yields the root and every component that is a graph of tasks, with its name."""
        yield "root", self.pipeline["root"]
        for name, component in self.components.items():
            if "dag" in component:
                yield name, component


def write_spec(spec: Spec, path: Path) -> None:
    """Writes a compiled pipeline as KFP's client reads it: YAML documents."""
    documents = [spec.pipeline, *([spec.platform] if spec.platform else [])]
    with path.open("w", encoding="utf-8") as file:
        yaml.dump_all(documents, file, Dumper=_DUMPER, sort_keys=True, width=1 << 20)


def read_spec(path: Path) -> Spec:
    """Reads a compiled pipeline."""
    with path.open(encoding="utf-8") as file:
        pipeline, *platform = yaml.load_all(file, Loader=_LOADER)
    return Spec(pipeline, platform[0] if platform else {})


# The C parser is ten times as fast, and part of every wheel of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
