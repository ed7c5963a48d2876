"""The engines' promises, kept by the scripted engine and by Transformers."""

import pytest

from judgeloop.engines import open_engine
from judgeloop.engines.settings import EngineSection
from judgeloop.errors import ConfigError, StoreError
from judgeloop.images import ImageLibrary
from judgeloop.models import describe_base
from judgeloop.records import ModelRef
from judgeloop.store import FolderStore
from tests.contract.engine_contract import EngineContract, ModelContract
from tests.engine_rig import WARM, ask


class TestScripted(EngineContract):
    kind = "scripted"


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
        engine.generate([ask(0, pictures)], WARM)


@pytest.mark.parametrize(
    ("kind", "base"), [("scripted", "builtin:tiny-vlm"), ("transformers", "scripted:")]
)
def test_an_engine_refuses_a_model_of_the_other_kind(start, kind, base):
    with pytest.raises(ConfigError, match="scripted"):
        start(kind, ModelRef(base=base))
