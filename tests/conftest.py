"""What all tests share: the quiet environment, the S3 server, and when a test may be skipped.

A skip is loud (`-ra` lists it with its reason). What the machine must bring by `make system-deps`
may be missing on a laptop, never in CI: there the skip is a failure.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports torch: with more threads than free cores OpenMP waits in a loop.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# No test asks a hub or reports to anyone.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Images that were pushed, as far as the compiler knows; the local runner pulls none.
for role in ("CPU", "GPU"):
    os.environ[f"JUDGELOOP_IMAGE_{role}"] = (
        f"registry.example/judgeloop-{role.lower()}@sha256:{'0' * 64}"
    )

# A job in the background of a shell ignores Ctrl-C, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A time limit for each example would fail on a busy machine; pytest-timeout ends what hangs. The
# same examples are drawn each time: a test that fails does so again.
settings.register_profile("judgeloop", settings.default, deadline=None, derandomize=True)
settings.load_profile("judgeloop")

pytest_plugins = [
    "tests.endpoint_rig",
    "tests.engine_rig",
    "tests.server_process",
    "tests.s3_server",
    "tests.mlflow_server",
    "tests.fault_proxy",
    "tests.s3_vendors",
    "tests.faulty_s3",
    "tests.kfp_process",
    "tests.kubernetes_api",
    "tests.pod",
    "tests.containers.engine",
    "tests.trainer_api",
    "tests.trainjob_team",
]

REPOSITORY = Path(__file__).resolve().parent.parent
OF_LOOPS = ("AWS_", "JUDGELOOP_", "KF", "MLFLOW_")
"""What begins the names of variables that decide where a loop works."""
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


def in_ci() -> bool:
    """Whether this is a run of `.ci/run`, or of a service that sets the same variable."""
    return os.environ.get("CI", "").lower() in ("1", "true")


def require_executable(names: tuple[str, ...], package: str) -> str:
    """The path of the first of `names` that is installed; skips without one, fails in CI."""
    for name in names:
        if found := shutil.which(name):
            return found
    reason = f"needs the system package {package}, which is not installed: run `make system-deps`"
    if in_ci():
        pytest.fail(reason)
    pytest.skip(reason)


def _of_loops() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(OF_LOOPS)}


@pytest.fixture(autouse=True, scope="module")
def same_environment() -> Iterator[None]:
    """No module's tests meet the store or the registry of another's: what was set is taken back."""
    before = _of_loops()
    yield
    for name in _of_loops().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def needs_chromium() -> str:
    """The path of a Chromium that shows pages."""
    return require_executable(CHROMIUM_NAMES, "chromium")
