"""The contract of Kubeflow Pipelines that the tests of a cluster go by."""

import json
from typing import Any

import pytest

from tests.kfp_contract import load_contract
from tests.make_kfp_contract import FILE, contract

RUN = {
    "method": "GET", "path": "/apis/v2beta1/runs/one", "query": {}, "body": None, "status": 200,
    "answer": {"run_id": "one", "state": "RUNNING"},
}  # fmt: skip


def test_the_contract_is_what_the_installed_client_knows() -> None:
    assert json.loads(FILE.read_text()) == contract()


def test_the_contract_names_its_source_and_licence() -> None:
    info = json.loads(FILE.read_text())["info"]
    assert info["license"] == {"name": "Apache-2.0"}
    assert "kfp-server-api" in info["x-made-from"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"path": "/apis/v2beta1/walks/one"}, ["no such operation"]),
        ({"query": {"colour": "red"}}, ["no query parameter colour"]),
        ({"body": {}}, ["takes no body"]),
        ({"answer": {"run_id": 1}}, ["$.run_id: 1 is not of type 'string'"]),
        ({"answer": {"id": "one"}}, ["'id' was unexpected"]),
        ({"answer": {"state": "WALKING"}}, ["'WALKING' is not one of"]),
    ],
)  # fmt: skip
def test_a_violation_of_the_contract_is_found(changes: dict[str, Any], said: list[str]) -> None:
    found = list(load_contract().violations(RUN | changes))
    assert len(found) == len(said)
    assert all(words in each for words, each in zip(said, found, strict=True)), found
