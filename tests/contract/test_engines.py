"""The engines' promises, kept by the scripted engine and by Transformers."""

from pathlib import Path

import msgspec
import pytest

from judgeloop.engines.scripted_model import ADAPTER_FILE, ScriptedAdapter
from judgeloop.models.references import describe_base
from judgeloop.runtime.engine_start import open_engine
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, StoreError
from judgeloop.schema.records import ModelRef
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.contract.engine_contract import EngineContract, ModelContract
from tests.engine_rig import WARM, ask, generate

BASE = "scripted:answer_skill=0.5"


class TestScripted(EngineContract):
    kind = "scripted"

    @pytest.fixture(scope="class")
    @classmethod
    def judge(cls, engine_store):
        """The base with an adapter that has all skill."""
        adapter = ScriptedAdapter(skill=1.0, examples=1, examples_sha256="")
        engine_store.write("train/scripted/" + ADAPTER_FILE, msgspec.json.encode(adapter))
        return ModelRef(base=BASE, adapter=str(Path(engine_store.uri) / "train" / "scripted"))

    @pytest.fixture(scope="class")
    @classmethod
    def merged(cls):
        """A base that has that skill itself."""
        return ModelRef(base=f"{BASE},skill=1")


class TestTransformers(ModelContract):
    kind = "transformers"


class Away(FolderStore):
    """A store whose server does not answer."""

    def read(self, key):
        raise StoreError(f"cannot read {key}: connection refused")


@pytest.mark.parametrize("kind", ["scripted", "transformers"])
def test_a_store_that_is_away_is_no_answer(kind, idefics3, tmp_path, engine_store, pictures):
    away = Away(tmp_path)
    library = ImageLibrary(away, max_pixels=10_000)
    base = "scripted:" if kind == "scripted" else str(idefics3)
    section = EngineSection(kind=kind, dtype="float32")
    engine = open_engine(section, describe_base(base, None), library, engine_store)
    with pytest.raises(StoreError, match="connection refused"):
        generate(engine, [ask(0, pictures)], WARM)


@pytest.mark.parametrize(
    ("kind", "base"), [("scripted", "builtin:tiny-vlm"), ("transformers", "scripted:")]
)
def test_an_engine_refuses_a_model_of_the_other_kind(start, kind, base):
    with pytest.raises(ConfigError, match="scripted"):
        start(kind, ModelRef(base=base))
