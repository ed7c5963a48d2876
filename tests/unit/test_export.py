"""A judge that is merged answers as base and adapter do, and an export overwrites nothing."""

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.models.fetch import base_location
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.ops.export import HASHES
from judgeloop.store.checksums import sha256_file


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """An adapter of the tiny model that changes its answers."""
    import peft
    import torch
    import transformers

    torch.manual_seed(0)
    place = str(base_location(describe_base(BUILTIN, None)))
    base = transformers.AutoModelForImageTextToText.from_pretrained(place, dtype="float32")
    modules = r".*text_model.*\.(q_proj|v_proj)"
    config = peft.LoraConfig(r=4, init_lora_weights=False, target_modules=modules)
    peft.get_peft_model(base, config).save_pretrained(tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": BUILTIN}
    path.write_text(json.dumps(settings))
    return tmp_path / "adapter"


@pytest.mark.slow
def test_a_merged_judge_is_a_model_that_answers_as_base_and_adapter_do(
    adapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    given = ["--judge", str(adapter), "--as", "merged", "--out", str(out), "--json"]
    assert main(["export", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["largest_difference"] < 1e-2
    assert "model.safetensors" in found["files"]
    for line in (out / HASHES).read_text().splitlines():
        digest, name = line.split("  ")
        assert sha256_file(out / name) == digest
    card = (out / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "how it was trained is not recorded" in card


def test_an_export_overwrites_nothing_and_needs_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("")
    assert main(["export", "--judge", "scripted:", "--out", str(tmp_path)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert main(["export", "--judge", "scripted:", "--out", str(tmp_path / "new")]) == 2
    assert "is a base without an adapter" in capsys.readouterr().err
    assert main(["export", "--as", "pairs", "--out", str(tmp_path / "new")]) == 2
    assert "needs --run" in capsys.readouterr().err
