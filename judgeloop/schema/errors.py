"""Every error that judgeloop raises on purpose.

```
JudgeLoopError            exit code 1
├── ConfigError           2   the configuration or the command line is wrong
├── DataError             3   an input record, image or data set cannot be used
│   └── StarvedError      4   too little is left to train on
├── StoreError            5   the store cannot be read or written, or holds wrong bytes
├── EngineError           6   a model cannot be loaded or does not answer
├── TrainingError         7   fine-tuning failed
├── RegistryError         8   the MLflow server or a registered version cannot be used
├── ClusterError          9   the Kubeflow Pipelines server cannot be used
└── PreflightError       10   a loop cannot run here
```

The exit code lets a retry policy distinguish a bad configuration from a lost node. A message says
what happened, where (file, line, record id, key path) and what to do.
"""

import re

_NUMBER = re.compile(r"\[Errno -?\d+\] ")


def reason_of(error: Exception) -> str:
    """Returns an error's text, without the number and the file name that the system adds.

    A message names the file itself, as its user wrote it.
    """
    return getattr(error, "strerror", None) or _NUMBER.sub("", str(error))


class JudgeLoopError(Exception):
    """Base of all errors of judgeloop; the command line exits with `exit_code`."""

    exit_code = 1


class ConfigError(JudgeLoopError):
    """The configuration or the command line is wrong; trying again does not help."""

    exit_code = 2


class DataError(JudgeLoopError):
    """An input record, an image or a whole data set cannot be used."""

    exit_code = 3


class StarvedError(DataError):
    """Filtering left too few examples to train on; the message shows the funnel."""

    exit_code = 4


class StoreError(JudgeLoopError):
    """The store cannot be read or written, or what it holds has the wrong checksum."""

    exit_code = 5


class EngineError(JudgeLoopError):
    """A model cannot be loaded, or an engine cannot answer."""

    exit_code = 6


class TrainingError(JudgeLoopError):
    """Fine-tuning failed; the message carries the end of the trainer's log."""

    exit_code = 7


class RegistryError(JudgeLoopError):
    """The MLflow server cannot be reached, or a registered version cannot be used."""

    exit_code = 8


class ClusterError(JudgeLoopError):
    """The Kubeflow Pipelines server does not answer, refuses us, or cannot do what is asked."""

    exit_code = 9


class PreflightError(JudgeLoopError):
    """A loop could not run here; the message names each check that failed, with what to do."""

    exit_code = 10
