"""Which engine can run which model, and what of an endpoint decides its answers."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.engines.fit import check_fit
from judgeloop.models.references import base_type
from judgeloop.runtime.identity import engine_identity
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stages.resolve import resolve
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.engine_section import EndpointSection, EngineSection
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import ModelRef
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY

CONFIG = load_config(REPOSITORY / "pipelines/configs/micro-tiny.yaml")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MLLAMA = "unsloth/Llama-3.2-11B-Vision-Instruct"


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A folder that says it is a Llama 3.2 Vision."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "mllama"}))
    return str(folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local cache of the hub with the same model's configuration."""
    model = tmp_path / "hub" / f"models--{MLLAMA.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    (model / "snapshots" / COMMIT).mkdir(parents=True)
    (model / "snapshots" / COMMIT / "config.json").write_text('{"model_type": "mllama"}')
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("hub")
def test_a_base_s_type_is_known_from_a_folder_and_from_the_hub_s_cache(base: str) -> None:
    assert base_type(ModelRef(base=base)) == "mllama"
    assert base_type(ModelRef(base=MLLAMA, revision=COMMIT)) == "mllama"
    assert base_type(ModelRef(base="builtin:tiny-vlm")) == "idefics3"


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("model", ["scripted:", "/no/such/folder", "owner/unknown"])
def test_a_type_that_is_not_at_hand_is_none(model: str) -> None:
    assert base_type(ModelRef(base=model)) is None


def test_llama_3_2_vision_is_refused_for_vllm_with_the_reason(base: str) -> None:
    with pytest.raises(ConfigError, match=r"up to 0\.10\.2 only.*transformers.*openai"):
        check_fit("vllm", ModelRef(base=base))
    for kind in ("transformers", "openai"):
        check_fit(kind, ModelRef(base=base))
    check_fit("vllm", ModelRef(base="builtin:tiny-vlm"))


def test_the_loop_s_first_task_checks_it(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "judgeloop.engines.fit._NOT_RUN", {"transformers": {"mllama": "as an example"}}
    )
    store = FolderStore(tmp_path / "store")
    config = msgspec.structs.replace(CONFIG, model=msgspec.structs.replace(CONFIG.model, base=base))
    with pytest.raises(ConfigError, match="as an example"):
        resolve(config, store, Ledger(store, "loop"))
    assert resolve(CONFIG, store, Ledger(store, "loop")).model is not None


def with_endpoint(**changes: Any) -> Config:
    fields = {"url": "http://judge.svc:8000/v1", "model": "base"} | changes
    endpoint = msgspec.convert(fields, EndpointSection)
    return msgspec.structs.replace(CONFIG, engine=EngineSection(kind="openai", endpoint=endpoint))


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"url": "https://judge.svc:9000/api/v1"}, True),
        ({"key_variable": "KEY", "timeout_s": 5, "retries": 0, "prompt_price": 2.0}, True),
        ({"url": "http://other.svc:8000/v1"}, False),
        ({"model": "another"}, False),
    ],
)
def test_the_service_and_the_served_name_decide_answers_and_how_it_is_reached_does_not(
    changes: dict[str, Any], same: bool
) -> None:
    one, other = (engine_identity(with_endpoint(**each).engine) for each in (changes, {}))
    assert (one == other) is same
