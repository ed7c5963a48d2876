"""What is struck out of a text, and what is left."""

import ast
import base64
import html
import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from math import ceil, floor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from judgeloop.runtime import redaction
from judgeloop.runtime.json_log import VARIABLE, About
from judgeloop.runtime.redaction import LOG_VARIABLE, hidden, hide_secrets
from judgeloop.schema.printable import printable
from pipelines.lint.secrets import secrets_in
from tests.conftest import REPOSITORY


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN",
     "OPENAI_API_KEY", "my_api_key", "DB_PASSWD", "VAULT_SECRET", "SSH_PASSPHRASE",
     "GOOGLE_CREDENTIALS", "GIT_CREDENTIAL",
     "KF_PIPELINES_COOKIE",
     "SMTP_PASS", "AZURE_STORAGE_CONNECTION_STRING", "DB_CONN_STR", "HF_TOKEN_2", "API_KEY1",
     "SLACK_WEBHOOK_URL", "GITHUB_PAT", "SENTRY_DSN", "MONGO_PWD", "PROXY_AUTH", "X_JWT",
     "OPENAI_API_KEYS", "ACCESS_TOKENS", "DB_PASSWORDS", "CLIENT_SECRETS", "TLS_KEY_PEM",
     "GCP_CREDS",
     "PRIVATE_KEY_BASE64", "TOKEN_VALUE", "CI_JOB_JWT_V2", "SERVICE_KEY_JSON", "OLD_TOKEN_OLD",
     "OTEL_EXPORTER_OTLP_HEADERS", "BLOB_SAS", "REQUEST_SIGNATURE"],
)  # fmt: skip
def test_the_values_of_variables_with_such_names_are_struck_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "s3cr/t+'x")
    for form in ("s3cr/t+'x", "s3cr%2Ft%2B%27x", "s3cr/t%2B%27x", repr("s3cr/t+'x\n")[1:-3]):
        assert hidden(f"a{form}b") == "a***b"


def test_passwords_in_addresses_are_struck_out_also_where_they_stand_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:pass%2Fword@host/path")
    assert hidden("at http://ada:pass%2Fword@host/path") == "at http://***@host/path"
    assert hidden("login pass/word, pass%2Fword") == "login ***, ***"
    assert hidden("any://bob:builder@host") == "any://***@host"


def test_a_secret_within_another_leaves_nothing_of_the_longer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdef")
    monkeypatch.setenv("OPENAI_API_KEY", "abcdefghi")
    assert hidden("abcdefghi abcdef") == "*** ***"


def test_what_is_named_otherwise_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PWD", "KEYBOARD", "TOKENS", "COMPASS", "PATH", "SECRETARY_NAME", "TOKEN_FILE"):
        monkeypatch.setenv(name, f"value-of-{name}")
        assert hidden(f"a value-of-{name} b") == f"a value-of-{name} b"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "user:", "someone@host:"])
@pytest.mark.parametrize("after", ["", "x", "xy"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_within_base64_is_struck_out(
    before: str, after: str, encode: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "correct/horse>battery?staple"
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
    text = encode(f"{before}{secret}{after}".encode()).decode()
    end = len(before) + len(secret)
    left = text[: ceil(len(before) * 4 / 3)], text[floor(end * 4 / 3) :]
    assert hidden(f"<{text}>") == f"<{left[0]}***{left[1]}>"


@pytest.mark.parametrize(("before", "found"), [("", True), ("u", False), ("u:p", True)])
def test_of_a_short_secret_within_base64_eight_characters_are_its_own_or_it_stays(
    before: str, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "abcdef")
    text = base64.b64encode(f"{before}abcdef".encode()).decode()
    assert hidden(text) == (text[: len(before) // 3 * 4] + "***" if found else text)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": 'quo"te\\back\x1bslash'}),
        json.dumps(json.dumps({"a": 'quo"te\\back\x1bslash'})),
        "quo%22te%5cback%1bslash",
        "quo&quot;te\\back\x1bslash",
        repr('quo"te\\back\x1bslash'),
    ],
)
def test_escaped_forms_are_struck_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", 'quo"te\\back\x1bslash')
    assert "slash" not in hidden(text)
    assert "***" in hidden(text)


@pytest.mark.parametrize(
    "escape",
    [
        lambda secret: secret,
        quote,
        quote_plus,
        lambda secret: quote(secret, safe="").lower(),
        lambda secret: json.dumps(secret)[1:-1],
        lambda secret: json.dumps(json.dumps(secret))[3:-3],
        lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
        lambda secret: json.dumps(json.dumps(secret, ensure_ascii=False))[3:-3],
        lambda secret: repr(secret)[1:-1],
        html.escape,
        printable,
    ],
)
def test_an_escaped_secret_is_struck_out_to_its_last_character_and_no_further(
    escape: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = '/ü "q\\t\x1b+&<é"'
    monkeypatch.setenv("HF_TOKEN", secret)
    assert hidden(f"a{escape(secret)}b") == "a***b"


def test_what_a_cookie_or_a_connection_string_holds_is_struck_out_where_it_stands_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KF_PIPELINES_COOKIE", "theme=dark; session_key=abcdefgh")
    monkeypatch.setenv("BLOB_CONNECTION_STRING", "Host=h;AccountKey=Zm9vYmFy;Port=1")
    assert hidden("sent abcdefgh and Zm9vYmFy, theme dark, Host=h") == (
        "sent *** and ***, theme dark, Host=h"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{'X-Amz-Security-Token': b'LEAKED/token+here', 'User-Agent': b'kept'}",
        "x-amz-security-token:LEAKED/token+here\nhost:kept",
        "GET /k?X-Amz-Security-Token=LEAKEDtoken&kept=1",
        'headers: {"Authorization": "Basic TEFLEDpwYXNzd29yZA==", "accept": "kept"}',
        "Authorization: Bearer LEAKED.token-here\nkept",
        "Set-Cookie: session=LEAKED\nkept",
        "posted to https://hooks.slack.com/services/T0/B0/LEAKED kept",
        "-----BEGIN RSA PRIVATE KEY-----\nLEAKED\n-----END RSA PRIVATE KEY----- kept",
        "kept hf_LEAKEDLEAKEDLEAKEDLEAKEDLEAKEDLEAKED",
        "kept ghp_LEAKEDLEAKEDLEAKEDLEAKEDLEAKEDLEAKED",
        "kept glpat-LEAKEDLEAKEDLEAKEDLEAKED",
        "xoxb-0000000000-LEAKEDLEAKED kept",
        "key=AIzaLEAKEDLEAKEDLEAKEDLEAKEDLEAKEDLEAKE kept",
        "kept AKIALEAKEDLEAKED0000",
        "session_token=LEAKED&kept",
    ],
)
def test_what_looks_or_is_named_like_a_secret_is_struck_out_wherever_it_came_from(
    text: str,
) -> None:
    found = hidden(text)
    assert "LEAKED" not in found
    assert "TEFLED" not in found
    assert "kept" in found


def test_the_name_of_what_is_struck_out_stays() -> None:
    assert hidden("session_token=LEAKED&kept") == "session_token=***&kept"
    assert hidden('"X-Api-Key": "LEAKED", "kept"') == '"X-Api-Key": "***", "kept"'


def test_the_check_of_compiled_files_and_the_redaction_have_one_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KF_PIPELINES_COOKIE", "SMTP_PASS", "HF_TOKEN_2"):
        monkeypatch.setenv(name, f"value-of-{name}")
        assert secrets_in(f"a value-of-{name} b") == [f"the value of ${name}"]
    assert secrets_in("http://ada:lovelace@host") == ["a password in an address"]
    assert secrets_in("https://hooks.slack.com/services/T0/B0/xyz") == ["a webhook"]


def test_control_characters_are_written_out_in_a_line_of_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = logging.LogRecord("x", logging.INFO, "", 0, "a\x1b[2Jb\x9b1mc\x7f\rd", None, None)
    text = redaction._Formatter("%(message)s").format(line)
    assert text == "a\\u001b[2Jb\\u009b1mc\\u007f\\u000dd"


def test_ordinary_text_and_short_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_TOKEN", "true")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "enabled")
    text = "true enabled http://host:8000/v1 s3://bucket/a@b"
    assert hidden(text) == text


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets a test set up the log of this process, which is as before after it."""
    monkeypatch.setattr(redaction, "_named", set())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    for made in set(root.handlers) - set(handlers):
        made.close()
    root.setLevel(level)
    root.handlers[:] = handlers


def end_by(error: BaseException) -> None:
    """What Python does with an error that nobody has caught."""
    try:
        raise error
    except BaseException:
        sys.excepthook(type(error), error, error.__traceback__)


@pytest.mark.usefixtures("logs")
def test_a_variable_that_the_configuration_names_is_struck_out_of_the_log_and_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_SERVER", "hunter22")
    assert hidden("hunter22") == "hunter22"
    hide_secrets("%(message)s", "INFO", "MODEL_SERVER")
    try:
        raise ValueError("not hunter22")
    except ValueError:
        logging.getLogger("library").exception("with %s", "hunter22")
    end_by(ValueError("not hunter22"))
    said = capsys.readouterr().err
    assert said.count("ValueError: not ***") == 2
    assert re.search(r", in end_by\n    raise error\nValueError: not \*\*\*\n$", said)
    assert "with ***" in said
    assert "hunter22" not in said
    assert "ended by an error" not in said


@pytest.mark.usefixtures("logs")
def test_a_run_s_own_log_holds_the_lines_of_its_tasks_and_the_error_that_ended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.log"
    monkeypatch.setenv(LOG_VARIABLE, str(file))
    monkeypatch.setenv("HF_TOKEN", "hunter22")
    hide_secrets("%(levelname)s %(name)s %(message)s", "INFO")
    assert not file.exists()  # a process that logs nothing leaves nothing
    library = logging.getLogger("library")
    library.debug("not asked for")
    library.info("größer: hunter22")
    around = logging.LogRecord("kfp", logging.INFO, "/x/kfp/local/task.py", 1, "a task", (), None)
    logging.getLogger().handle(around)
    end_by(ValueError("not hunter22"))
    end_by(KeyboardInterrupt("hunter22"))
    written, said = file.read_text(encoding="utf-8"), capsys.readouterr().err
    head, _, traceback = written.partition("Traceback")
    assert head == "INFO library größer: ***\nCRITICAL judgeloop ended by an error\n"
    assert traceback.endswith("ValueError: not ***\n\n")
    assert said.startswith("INFO library größer: ***\nINFO kfp a task\nCRITICAL judgeloop ended")
    assert said.endswith("KeyboardInterrupt: ***\n")
    (to_file,) = (h for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler))
    assert to_file.encoding == "utf-8"  # whatever the machine's own is


@pytest.mark.usefixtures("logs")
def test_an_error_that_ends_a_process_is_one_object_of_a_log_in_json_and_an_interruption_is_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, "json")
    monkeypatch.setenv("HF_TOKEN", "hunter22")
    hide_secrets("%(message)s", "INFO", about=About(stage="train"))
    end_by(ValueError("not hunter22"))
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["stage"]) == ("CRITICAL", "train")
    assert line["message"].startswith("ended by an error\nTraceback")
    assert line["message"].endswith("ValueError: not ***\n")
    end_by(KeyboardInterrupt())
    assert capsys.readouterr().err.endswith("KeyboardInterrupt\n")


COMMANDS = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in ("benchmarks", "images", "judgeloop/ops", "judgeloop/tiny", "judgeloop/training")
    for path in (REPOSITORY / folder).glob("*.py")
    if "__name__ ==" in path.read_text()
)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_s_log_and_traceback_are_filtered(path: str) -> None:
    tree = ast.parse((REPOSITORY / path).read_text())
    called = {
        call.func.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    assert "hide_secrets" in called


def test_the_commands_are_found() -> None:
    assert {"benchmarks/memory.py", "images/__main__.py", "judgeloop/ops/tiny_base.py"} < set(
        COMMANDS
    )
