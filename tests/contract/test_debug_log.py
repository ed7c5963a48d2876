"""What `JUDGELOOP_LOG=DEBUG` logs of S3's requests holds no credential, wherever it came from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

TOKEN = "FwoGZXIvYXdzEBYaDCanary/token+of=a=session"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARY"


@pytest.mark.parametrize("place", ["environment", "file"])
@pytest.mark.parametrize("command", ["status", "clean"])
def test_no_credential_is_in_the_log_of_a_command(
    place: str, command: str, s3_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    for name, value in keys.items():
        if place == "environment":
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name)
    if place == "file":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        file = tmp_path / "credentials"
        lines = [f"{name.lower()} = {value}" for name, value in keys.items()]
        file.write_text("\n".join(["[default]", "aws_access_key_id = testing", *lines]))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("JUDGELOOP_LOG", "DEBUG")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    done = subprocess.run(
        [sys.executable, "-m", "judgeloop.cli", command, s3_uri],
        cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "x-amz-security-token" in said.lower(), "the log must be that of the requests"
    for value in (TOKEN, TOKEN.replace("/", "%2F"), SECRET, "Canary/token", "CANARY"):
        assert value not in said
