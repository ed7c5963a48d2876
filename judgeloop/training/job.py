"""The job file of a training process, and the paths of its results."""

from __future__ import annotations

from pathlib import Path

import msgspec
from PIL import Image

from judgeloop.schema.errors import TrainingError, reason_of
from judgeloop.schema.training_section import TrainingSection
from judgeloop.store.images import decode_image


class TrainingJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fine-tuning: its inputs, its settings and its output folder."""

    base: str
    """Argument of `from_pretrained`: a local folder, or a hub id."""
    base_name: str
    """Name of the base in the adapter's configuration, such as `builtin:tiny-vlm`: the adapter's
    bytes must not depend on the base's location on this machine."""
    revision: str | None = None
    """Revision of a hub id."""
    adapter: str | None = None
    """PEFT folder of the adapter to train further; None starts a new one."""
    resume: str | None = None
    """Checkpoint of this job that an earlier process left; None starts at the first step."""
    examples: str
    """JSONL file of `Example` records."""
    images: str
    """Folder of images, each file named by its content hash."""
    max_pixels: int
    background: str
    """Arguments of `decode_image` for the images that the model sees."""
    settings: TrainingSection
    seed: int
    out: str
    """Folder that gets the adapter, the metrics and the log."""
    task: str
    """Name of the task in the progress file."""

    @property
    def file(self) -> Path:
        """This job as JSON."""
        return Path(self.out) / "job.json"

    @property
    def adapter_folder(self) -> Path:
        """The trained adapter: `adapter_model.safetensors` and `adapter_config.json` alone."""
        return Path(self.out) / "adapter"

    @property
    def progress_file(self) -> Path:
        """Where the training process reports its steps (`judgeloop.runtime.progress`)."""
        return Path(self.out) / "progress.jsonl"

    @property
    def metrics_file(self) -> Path:
        """Figures of a finished training; its existence means that the training finished."""
        return Path(self.out) / "metrics.json"

    @property
    def log_file(self) -> Path:
        """Everything that the training process printed."""
        return Path(self.out) / "train.log"

    @property
    def checkpoints_folder(self) -> Path:
        """Folder of the training's checkpoints, each a folder named by its step.

        A checkpoint appears there atomically.
        """
        return Path(self.out) / "checkpoints"

    @property
    def errors_folder(self) -> Path:
        """Where torch writes the exceptions of training processes, as files `error.json`."""
        return Path(self.out) / "errors"

    def open_image(self, name: str) -> Image.Image:
        """Opens an image as the engines do.

        Raises:
            DataError: It cannot be used.
            OSError: It cannot be read.
        """
        data = (Path(self.images) / name).read_bytes()
        return decode_image(data, self.max_pixels, self.background)

    def write(self) -> None:
        """Writes the job to `file`, making the output folder."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(msgspec.json.encode(self) + b"\n")


def read_job(path: Path) -> TrainingJob:
    """Reads a job that `TrainingJob.write` wrote.

    Raises:
        TrainingError: The file cannot be read or is not a job.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=TrainingJob)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path}: not a training job: {reason_of(error)}") from error
