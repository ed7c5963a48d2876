"""Models, adapters and registered judges that cannot be used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

import judgeloop
from judgeloop.models.references import BUILTIN
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stages.resolve import resolve
from tests.bad_input.case import Case, Outcome, staged, verdict_command

GROUP = "Models and judges"
BASE = Path(judgeloop.__file__).parent / "tiny" / "base"
REAL = ("engine.kind=transformers", "training.kind=lora")
"""Settings that go with a base other than `scripted:`."""
Make = Callable[[Path], None]


def resolved(what: str, words: str, *changes: str, make: Make | None = None) -> Case:
    """The base is given to the stage `resolve`, which comes before anything is paid for."""
    stage = staged(lambda config, store: resolve(config, store, Ledger(store, "l")), *changes)
    return Case(GROUP, what, _after(make, stage), words, code=2)


def loaded(
    what: str, words: str, name: str, code: int = 6, make: Make | None = None, **environment: str
) -> Case:
    """The model is given to `judgeloop verdict`."""
    ask = verdict_command("--model", name, "--max-tokens", "4", **environment)
    return Case(GROUP, what, _after(make, ask), words, code=code)


def _after(make: Make | None, run: Callable[[Path], Outcome]) -> Callable[[Path], Outcome]:
    def both(folder: Path) -> Outcome:
        if make is not None:
            make(folder)
        return run(folder)

    return both


def without_config(folder: Path) -> None:
    (folder / "base").mkdir()
    (folder / "base" / "model.safetensors").write_bytes(b"")


def unreadable(folder: Path) -> None:
    """A file that the system refuses to read, for any user."""
    without_config(folder)
    (folder / "base" / "config.json").symlink_to("/proc/self/mem")


def truncated(folder: Path) -> None:
    shutil.copytree(BASE, folder / "base")
    weights = folder / "base" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def adapter(layer: str, size: int, targets: str = "q_proj") -> Make:
    """A PEFT adapter of one layer with weights of another size than the tiny base's."""

    def make(folder: Path) -> None:
        from safetensors.numpy import save_file

        where = folder / "adapter"
        where.mkdir()
        settings = {
            "peft_type": "LORA", "base_model_name_or_path": BUILTIN, "r": 2, "lora_alpha": 2,
            "target_modules": [targets], "task_type": "CAUSAL_LM",
        }  # fmt: skip
        (where / "adapter_config.json").write_text(json.dumps(settings))
        shapes = {"lora_A": (2, size), "lora_B": (size, 2)}
        weights = {
            f"base_model.model.{layer}.{name}.weight": np.zeros(shape, np.float32)
            for name, shape in shapes.items()
        }
        save_file(weights, str(where / "adapter_model.safetensors"))

    return make


def broken_adapter(folder: Path) -> None:
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text("{")


def judge_of_another_base(folder: Path) -> None:
    """What `register` writes, of a base whose files had another hash."""
    judge = {
        "model": {"base": BUILTIN, "base_sha256": "ab" * 32},
        "adapter_files": {}, "loop_id": "loop", "iteration": 1, "config": {"prompts": "tiny"},
        "manifests": {}, "examples": [], "metrics": {}, "counts": {}, "judgeloop_version": "0",
        "schema_version": 1,
    }  # fmt: skip
    (folder / "judge").mkdir()
    (folder / "judge" / "judge.json").write_text(json.dumps(judge))


FIRST_LAYER = "model.text_model.layers.0.self_attn.q_proj"
FOLDER = ("model.base={folder}/base", *REAL)
MODELS = [
    resolved("a folder that is missing", "no config.json", *FOLDER),
    resolved("a folder without a model", "no config.json", *FOLDER, make=without_config),
    resolved("a folder that cannot be read", "base/config.json cannot be read", *FOLDER,
             make=unreadable),
    resolved("a hub model that nobody knows", "neither the hub nor the local", "model.base=a/b",
             *REAL),
    loaded("an unknown setting of a scripted model", "`skil`; known", "scripted:skil=1", code=2),
    loaded("a probability above 1", "must be in 0..1", "scripted:skill=2", code=2),
    resolved("an unknown prompt set", "no prompt set 'mine'", "prompts=mine"),
    loaded("weights that are truncated", "cannot load model", "{folder}/base", make=truncated),
    loaded("an adapter of a base of another size", "size mismatch", "{folder}/adapter",
           make=adapter(FIRST_LAYER, 7, FIRST_LAYER)),
    loaded("an adapter of a base with other layers", "on another base", "{folder}/adapter",
           make=adapter("visual.blocks.0.q_proj", 7)),
    loaded("an adapter of another base of the same shape", "is not the one that the adapter was",
           "{folder}/judge", code=2, make=judge_of_another_base),
    loaded("an adapter whose settings are broken", "names no base model", "{folder}/adapter",
           code=2, make=broken_adapter),
    loaded("an address of no registered judge", "write models:/name@alias", "models:/judge",
           code=8),
    loaded("no address of a registry", "MLFLOW_TRACKING_URI is not set", "models:/judge@champion",
           code=8, MLFLOW_TRACKING_URI=""),
    loaded("a registry with a wrong scheme", "ftp://host does not answer", "models:/judge@champion",
           code=8, MLFLOW_TRACKING_URI="ftp://host"),
]  # fmt: skip
