"""The options that several commands of the pipeline have."""

from __future__ import annotations

import click

profile_option = click.option(
    "--profile", default="cpu", show_default=True,
    help="What tasks ask of a cluster: a name in k8s/profiles/, or a YAML file.",
)  # fmt: skip
