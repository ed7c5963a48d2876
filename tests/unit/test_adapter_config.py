"""An adapter is somebody's word: what PEFT would act on is looked at before."""

import json
import os
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from judgeloop.models.adapter_config import CONFIG, WEIGHTS, check_targets, read_adapter_config
from judgeloop.models.peft_folder import adapter_rank, check_adapter
from judgeloop.models.tensors import MAX_HEAD_BYTES, tensor_shapes
from judgeloop.schema.errors import EngineError
from judgeloop.training.adapter import LANGUAGE_LAYERS

LAYER = "base_model.model.model.text_model.layers.0.self_attn.q_proj"
GOOD: dict[str, Any] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": LANGUAGE_LAYERS,
    "base_model_name_or_path": "owner/name",
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "megatron_core": "megatron.core",
}


def tensors(rank: int = 4, layer: str = LAYER) -> dict[str, Any]:
    return {
        f"{layer}.lora_A.weight": np.zeros((rank, 8), np.float32),
        f"{layer}.lora_B.weight": np.zeros((8, rank), np.float32),
    }


def adapter(folder: Path, config: Any = None, weights: dict[str, Any] | None = None) -> Path:
    save_file(tensors() if weights is None else weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(GOOD if config is None else config))
    return folder


def test_what_peft_writes_of_an_adapter_of_ours_is_taken(tmp_path: Path) -> None:
    from peft import LoraConfig

    made = LoraConfig(r=4, lora_alpha=8, target_modules=LANGUAGE_LAYERS, task_type="CAUSAL_LM")
    made.save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert read_adapter_config(adapter(tmp_path, config), "it").r == 4


@pytest.mark.parametrize(
    "targets", ["all-linear", ["q_proj", "v_proj"], r".*\.q_proj", r".*layers\.\d+\.self_attn\.q"]
)
def test_plain_adapters_of_others_are_taken(targets: Any, tmp_path: Path) -> None:
    check_adapter(adapter(tmp_path, GOOD | {"target_modules": targets}), "it")


def test_the_largest_rank_is_that_of_the_tensors(tmp_path: Path) -> None:
    other = LAYER.replace(".0.", ".1.")
    weights = tensors() | tensors(6, other)
    adapter(tmp_path, GOOD | {"rank_pattern": {r"layers\.1\.self_attn": 6}}, weights)
    assert adapter_rank(tmp_path, "it") == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"r": 10_000_000}, "r"),
        ({"r": 8}, "has rank 4, not r = 8"),
        ({"r": 4.5}, "r"),
        ({"r": "4"}, "r"),
        ({"r": True}, "r"),
        ({"r": None}, "r"),
        ({"r": -1}, "r"),
        ({"rank_pattern": {".*": 10_000_000}}, "rank_pattern"),
        ({"rank_pattern": {"(a*)*": 4}}, "is not a plain one"),
        ({"lora_alpha": 1e30}, "lora_alpha"),
        ({"lora_alpha": float("inf")}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": -8}, "lora_alpha"),
        ({"alpha_pattern": {"q_proj": 1e30}}, "lora_alpha"),
        ({"target_modules": "(.*)*x"}, "is not a plain one"),
        ({"target_modules": "((a+)+)+$"}, "is not a plain one"),
        ({"target_modules": ".*" * 40 + "x"}, "is not a plain one"),
        ({"target_modules": "(a|a){9,99}b"}, "is not a plain one"),
        ({"target_modules": "a" * 1000}, "is not a plain one"),
        ({"target_modules": "(["}, "is wrong"),
        ({"target_modules": {"a": 1}}, "target_modules"),
        ({"target_modules": ["x"] * 5000}, "target_modules"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is set"),
        ({"layer_replication": [[0, 1000]]}, "layer_replication is set"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices is set"),
        ({"use_dora": True}, "use_dora is set"),
        ({"something_new": {"a": 1}}, "something_new is set"),
        ({"bias": "all"}, "bias"),
        ({"peft_type": "IA3"}, "peft_type"),
        ({"lora_dropout": 2}, "lora_dropout"),
        ({"rank_pattern": {"k_proj": 4096}}, "no tensor has the rank 4096"),
        ({"use_rslora": True, "lora_alpha": 512}, "lora_alpha"),
        ({"init_lora_weights": "pissa_niter_1000000"}, "init_lora_weights"),
        ({"init_lora_weights": "olora"}, "init_lora_weights"),
        ({"task_type": "SEQ_CLS"}, "task_type"),
    ],
)
def test_what_peft_should_not_act_on_is_refused_by_name_and_at_once(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    folder = adapter(tmp_path, GOOD | change)
    began = time.monotonic()
    with pytest.raises(EngineError, match="adapter it is not loaded") as caught:
        check_adapter(folder, "it")
    assert said in str(caught.value)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "weights",
    [
        tensors() | {"base_model.model.lm_head.weight": np.zeros((8, 8), np.float32)},
        tensors() | {"extra": np.zeros(3, np.float32)},
        {f"{LAYER}.lora_A.weight": np.zeros((4, 8), np.float32)},
        {f"{LAYER}.lora_A.weight": np.zeros((4, 8), np.float32),
         f"{LAYER}.lora_B.weight": np.zeros((8, 2), np.float32)},
        {f"{LAYER}.lora_A.weight": np.zeros((4, 8, 1), np.float32)},
        tensors() | {f"{LAYER}.lora_embedding_A": np.zeros((4, 8), np.float32)},
        {},
    ],
    ids=["head", "extra", "half", "misfit", "shape", "embedding", "none"],
)  # fmt: skip
def test_other_tensors_than_those_of_the_configuration_are_refused(
    weights: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="adapter it is not loaded"):
        check_adapter(adapter(tmp_path, weights=weights), "it")


@pytest.mark.parametrize(
    "targets", ["all-linear", r".*_proj", ["q_proj"], ["layers.0.self_attn.q_proj", "k_proj"]]
)
def test_more_modules_than_there_are_tensors_for_are_refused_before_peft_makes_matrices(
    targets: Any, tmp_path: Path
) -> None:
    layers = [f"layers.{layer}.self_attn.{name}_proj" for layer in (0, 1) for name in "qk"]
    folder = adapter(tmp_path, GOOD | {"target_modules": targets})
    check_targets(folder, "it", [layers[0], "model.lm_head"])
    with pytest.raises(EngineError, match="modules of the base, and there are weights for 1"):
        check_targets(folder, "it", layers)


@pytest.mark.parametrize("file", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("trap", ["pipe", "device"])
def test_files_that_are_none_are_not_waited_for(file: str, trap: str, tmp_path: Path) -> None:
    folder = adapter(tmp_path)
    (folder / file).unlink()
    if trap == "pipe":
        os.mkfifo(folder / file)
    else:
        (folder / file).symlink_to("/dev/zero")
    for look in (check_adapter, read_adapter_config):
        with pytest.raises(EngineError):
            look(folder, "it")


def test_an_adapter_of_another_hub_model_is_refused(tmp_path: Path) -> None:
    folder = adapter(tmp_path)
    for same in ("owner/name", "/models/name", "builtin:tiny-vlm", ""):
        check_adapter(folder, "it", same)
    with pytest.raises(EngineError, match="was trained on owner/name, not on owner/other"):
        check_adapter(folder, "it", "owner/other")


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "[" * 100_000, '{"r": 1e999}'])
def test_a_configuration_that_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    adapter(tmp_path)
    (tmp_path / CONFIG).write_text(text)
    with pytest.raises(EngineError):
        check_adapter(tmp_path, "it")


@pytest.mark.parametrize(
    "head",
    [
        b"", b"\x01", b"[" * 50_000, b'{"a":' * 20_000, b'{"a": {"dtype": "F32", "shape": [-1]}}',
        b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [-4, 12]}}',
        b'{"a": {"dtype": "F32", "shape": [99999999999999], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": "x", "data_offsets": null}}', b"null", b"{}x",
    ],
)  # fmt: skip
def test_a_damaged_head_of_weights_is_an_error_of_ours(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"\0" * 4)
    with pytest.raises(EngineError, match="is not a safetensors file"):
        tensor_shapes(path)


def test_a_head_of_many_megabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", MAX_HEAD_BYTES + 1))
        file.truncate(MAX_HEAD_BYTES + 100)
    with pytest.raises(EngineError, match="its head would have"):
        tensor_shapes(path)


@given(st.binary(max_size=200))
def test_no_bytes_leave_the_family_of_errors(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.safetensors"
    path.write_bytes(data)
    with suppress(EngineError):
        tensor_shapes(path)
