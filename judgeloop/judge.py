"""The Python API of a trained judge.

from judgeloop import Judge

with Judge.load("models:/judgeloop-tiny@champion") as judge:
result = judge.judge("What is shown?", ["scene.png"], "a red circle", "a blue circle")
result.winner, result.confidence, result.judgements[0].text
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from judgeloop.method.judging.comparison import PairJudgement, compare_answers
from judgeloop.method.steps import Steps, together
from judgeloop.models.judge import JudgeModel, find_judge, judge_version
from judgeloop.runtime.inference import run_steps
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, DataError, reason_of
from judgeloop.schema.records import JudgeVersion, Kind, Question
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.scratch import scratch_folder

if TYPE_CHECKING:
    from PIL import Image

    from judgeloop.engines import Engine

    Picture = str | os.PathLike[str] | bytes | Image.Image
    """A path, the bytes of an image file, a `data:` URI, or an image of Pillow."""


class AnswerPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to a question, to be compared."""

    question: str
    images: Sequence[Picture]
    a: str
    b: str
    id: str = ""


class Judge:
    """A loaded judge; `close` it, or use it in a `with` block.

    Args:
        version: Identifies the judge.
        found: Its model and prompt set.
        engine: Runs it.
        library: The engine reads images from it.
        scratch: Temporary folder, removed when the judge is closed.
    """

    def __init__(
        self,
        version: JudgeVersion,
        found: JudgeModel,
        engine: Engine,
        library: ImageLibrary,
        scratch: tempfile.TemporaryDirectory[str],
    ) -> None:
        self.version = version
        self._prompts = found.prompts
        self._has_adapter = found.model.adapter is not None
        self._engine = engine
        self._library = library
        self._scratch = scratch

    @classmethod
    def load(
        cls,
        name: str,
        *,
        engine: EngineSection | str | None = None,
        prompts: str | None = None,
        max_pixels: int | None = None,
    ) -> Self:
        """Loads a judge.

        Args:
            name: `models:/judge@champion` or `models:/judge/3`; a folder that holds `judge.json`, a
                PEFT adapter or a model; `builtin:tiny-vlm`; or a hub id.
            engine: A kind of engine (`transformers`, `vllm`, `scripted`) or all its settings; None
                takes Transformers.
            prompts: Prompt set; None takes the one that the judge was trained with.
            max_pixels: A larger image is scaled down; None takes the limit of its training.

        Raises:
            ConfigError: The name cannot be resolved, or the engine cannot run the judge.
            EngineError: The model cannot be loaded.
            RegistryError: There is no such version.
        """
        from judgeloop.engines.fit import choose_engine
        from judgeloop.engines.libraries import warm_up
        from judgeloop.runtime.engine_start import open_engine

        scratch = scratch_folder("judge")
        try:
            folder = Path(scratch.name)
            found = find_judge(name, folder / "version", prompts, lambda: warm_up(engine))
            settings = choose_engine(engine, found.model.base)
            store = FolderStore(folder / "store")
            library = ImageLibrary(store, max_pixels or found.max_pixels, found.background)
            opened = open_engine(settings, found.model, library, store)
            return cls(judge_version(name, found), found, opened, library, scratch)
        except BaseException:
            scratch.cleanup()
            raise

    def judge(
        self,
        question: str,
        images: Sequence[Picture],
        a: str,
        b: str,
        *,
        samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int | None = None,
        beside_base: bool = False,
    ) -> PairJudgement:
        """Judges two answers in both orders.

        Args:
            question: What was asked.
            images: The images of the question, in order.
            a: One answer.
            b: The other.
            samples: Judgements per order.
            temperature: 0 gives the judge's most likely judgement; with more samples, raise it.
            max_tokens: Limit of a judgement; None takes what the prompts need.
            beside_base: Ask the judge's base, without its adapter, as well.

        Raises:
            ConfigError: `beside_base` is set, and the judge is a base without an adapter.
            DataError: An image cannot be used.
            EngineError: The judge cannot answer.
        """
        pair = AnswerPair(question=question, images=images, a=a, b=b)
        return self.judge_many(
            [pair], samples=samples, temperature=temperature, max_tokens=max_tokens,
            beside_base=beside_base,
        )[0]  # fmt: skip

    def judge_many(
        self,
        pairs: Iterable[AnswerPair],
        *,
        samples: int = 1,
        temperature: float = 0.0,
        max_tokens: int | None = None,
        beside_base: bool = False,
    ) -> list[PairJudgement]:
        """Judges many pairs together, so that the engine stays full; arguments as for `judge`.

        For more than some thousand pairs use `judgeloop judge`, which can be stopped and resumed.
        """
        if beside_base and not self._has_adapter:
            raise ConfigError(
                f"{self.version.name} is a base without an adapter, so there is nothing to "
                "compare; name a judge that was trained (a registered version or an adapter "
                "folder), or do not ask for its base"
            )
        sampling = Sampling(
            temperature=temperature, max_tokens=max_tokens or self._prompts.judgement_tokens
        )
        steps = [self._steps(pair, sampling, samples, beside_base) for pair in pairs]
        results = run_steps(self._engine, together(steps))
        return [msgspec.structs.replace(result, judge=self.version) for result in results]

    def close(self) -> None:
        """Frees the model's memory and removes what was downloaded."""
        self._engine.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _steps(
        self, pair: AnswerPair, sampling: Sampling, samples: int, beside_base: bool
    ) -> Steps[PairJudgement]:
        images = tuple(self._add(picture) for picture in pair.images)
        question = Question(id=pair.id, images=images, text=pair.question, kind=Kind.LONG_ANSWER)
        return compare_answers(
            self._prompts, question, pair.a, pair.b, sampling, samples, beside_base
        )

    def _add(self, picture: Picture) -> str:
        data, name = image_bytes(picture)
        try:
            return self._library.add(data)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error


def image_bytes(picture: Picture) -> tuple[bytes, str]:
    """Returns the bytes of an image file, and a name for messages.

    Raises:
        DataError: It cannot be read, or it is an address on a network, which is never fetched.
    """
    if isinstance(picture, bytes):
        return picture, "image (bytes)"
    if isinstance(picture, str) and picture.startswith("data:"):
        return _from_data_uri(picture), "image (data URI)"
    if isinstance(picture, str | os.PathLike):
        if "://" in str(picture):
            raise DataError(f"image {picture}: a URL is not fetched; give a file or its bytes")
        try:
            return Path(picture).read_bytes(), f"image {os.fspath(picture)}"
        except (OSError, ValueError) as error:
            raise DataError(f"image {picture}: cannot be read ({reason_of(error)})") from error
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue(), "image (Pillow)"


def _from_data_uri(uri: str) -> bytes:
    head, _, data = uri.partition(",")
    if not head.endswith(";base64"):
        raise DataError("image (data URI): only base64 is read, as in data:image/png;base64,...")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise DataError(f"image (data URI): not base64 ({error})") from error
