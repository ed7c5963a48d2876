"""Tasks in containers: what they get of this machine's environment, and what if no engine runs."""

import gc

import pytest

from judgeloop.schema.errors import ConfigError
from pipelines.containers import check_engine, passed_variables


def test_containers_get_settings_and_credentials_by_name_and_nothing_else() -> None:
    ours = {"AWS_ACCESS_KEY_ID": "a", "MLFLOW_TRACKING_URI": "b", "NO_PROXY": "c"}
    others = {"HOME": "/home/me", "PATH": "/bin", "GITHUB_TOKEN": "secret", "PYTHONPATH": "/src"}
    assert passed_variables(ours | others) == ours


# Docker's SDK leaves its socket open where nobody answers.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_without_an_engine_it_says_where_one_was_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    with pytest.raises(ConfigError) as raised:
        check_engine()
    assert "unix:///no/such.sock" in str(raised.value)
    assert "podman" in str(raised.value)
    del raised
    gc.collect()
