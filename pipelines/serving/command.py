"""`judgeloop deploy`: the manifests that serve a judge on Kubernetes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import yaml

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.cli.judge_selection import selected_judge
from judgeloop.ops.served_judge import served_judge
from judgeloop.schema.errors import ConfigError
from pipelines.profile import read_profile
from pipelines.serving.manifests import FORMS, Form, manifests

NAMESPACE = "judgeloop-serving"
"""Namespace of `k8s/overlays/serving`."""
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?")
"""A Service's name, short enough for what KServe adds."""


@command(
    "deploy",
    "judgeloop deploy --judge models:/judge/3 --out judge.yaml",
    "judgeloop deploy --judge models:/judge@champion --as kserve --profile one-gpu",
)
@click.option(
    "--judge", "name", metavar="JUDGE",
    help="models:/judge@champion or models:/judge/3.  [default: the champion of --run]",
)  # fmt: skip
@click.option("--run", metavar="DIR", help="Ask the registry of this run, such as runs/demo.")
@click.option(
    "--as", "form", type=click.Choice(FORMS), default="deployment",
    show_default=True, help="A Deployment with its Service, or KServe's InferenceService.",
)  # fmt: skip
@click.option(
    "--profile", default="one-gpu", show_default=True,
    help="Its `inference` sets the pod's resources, its Secrets are used to fetch the model.",
)  # fmt: skip
@click.option("--name", "object_name", default="judge", show_default=True, help="Of the objects.")
@click.option("--namespace", default=NAMESPACE, show_default=True, help="Of the objects.")
@click.option("--out", type=options.LOCAL_PATH, metavar="FILE", help="[default: print them]")
def deploy(
    name: str | None,
    run: str | None,
    form: Form,
    profile: str,
    object_name: str,
    namespace: str,
    out: Path | None,
) -> str:
    """Write the manifests that serve a registered judge with vLLM; nothing is applied.

    An init container fetches base and adapter and compares their checksums; clients need the key of
    the Secret `judgeloop-serving`.

    Raises:
        ConfigError: The judge, the profile, the image or a name cannot be used.
        EngineError, RegistryError: The version cannot be served as it was trained.
    """
    for option, value in (("--name", object_name), ("--namespace", namespace)):
        if not _LABEL.fullmatch(value):
            raise ConfigError(
                f"{option} {value!r}: at most 40 lower-case letters, digits and hyphens, beginning "
                "with a letter"
            )
    read = read_profile(profile)
    if not read.inference.gpus:
        raise ConfigError(
            f"profile {profile} gives inference no GPU, and the image's vLLM needs one: name "
            "another by --profile, or use `judgeloop serve`"
        )
    image = _image()
    judge = served_judge(selected_judge(name, run))
    made = manifests(judge, read, image, form, object_name, namespace)
    made = json.loads(json.dumps(made))  # shared parts would become YAML anchors
    text = f"# {judge.address} on vLLM, as `judgeloop deploy` writes it.\n" + yaml.safe_dump_all(
        made, sort_keys=False, width=100, allow_unicode=True
    )
    if out is None:
        return text.rstrip("\n")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written ({error.strerror})") from error
    return f"{judge.address} written to {out}; kubectl apply -f {out}"


def _image() -> str:
    """Returns the image of inference.

    Raises:
        ConfigError: Its digest is not known.
    """
    from components.images import image

    found = image("gpu")
    if "@sha256:" not in found:
        raise ConfigError(
            f"the image {found} has no digest: `make images push REGISTRY=...` records it in "
            "images/images.lock, or set JUDGELOOP_IMAGE_GPU to NAME@sha256:..."
        )
    return found
