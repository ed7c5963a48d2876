"""A whole run on a store that is full: it ends with the store's error, though nothing took it."""

from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.schema.errors import StoreError
from tests.conftest import REPOSITORY
from tests.fault_proxy import FaultProxy
from tests.faulty_s3 import error_xml

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@pytest.mark.slow
def test_a_full_store_ends_the_run_with_its_own_error_and_code(
    s3_proxy: FaultProxy, s3_uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("/hold_out/", "/failures/"):
        s3_proxy.break_with(method="PUT", path=path, status=507, body=error_xml("QuotaExceeded"))
    changes = ["--set", f"store={s3_uri}", "--set", "loop.iterations=1", "--loop-id", "loop"]
    code = main(["run", "--config", str(MICRO), *changes, "--out", str(tmp_path)])
    printed = " ".join(capsys.readouterr().out.split())
    assert code == StoreError.exit_code
    assert "000-hold_out failed: cannot" in printed
    assert "full" in printed
    assert "killed, or out of memory" not in printed
