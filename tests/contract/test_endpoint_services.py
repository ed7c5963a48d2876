"""Services that call or answer things otherwise: each works, or its reason is named."""

import http.server
import threading
from collections.abc import Iterator

import msgspec
import pytest

from judgeloop.engines.chat_answer import CUT_OFF, STOPPED
from judgeloop.runtime.identity import engine_identity
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.requests import Usage
from judgeloop.schema.sampling import Sampling
from tests.conftest import REPOSITORY
from tests.endpoint_rig import GREEDY, WARM, Server, Start, ask, texts
from tests.engine_rig import generate

SHORT = Sampling(temperature=0.7, max_tokens=2)


@pytest.mark.parametrize(
    "reason", [*sorted(STOPPED), "STOP", "FinishReason.STOP", "FINISH_REASON_STOP", "End_Turn"]
)
def test_an_answer_that_ended_by_itself_is_whole_whatever_the_service_calls_it(
    open_chat: Start, reason: str
) -> None:
    (response,) = generate(open_chat(), [ask(f"ended={reason}")], WARM)
    assert [sample.finish_reason for sample in response.samples] == ["stop"]


@pytest.mark.parametrize("reason", [*sorted(CUT_OFF), "MAX_TOKENS", "FinishReason.MAX_TOKENS"])
def test_an_answer_that_was_cut_off_is_cut_off_whatever_the_service_calls_it(
    open_chat: Start, reason: str
) -> None:
    (response,) = generate(open_chat(), [ask(f"ended={reason}")], WARM)
    assert [sample.finish_reason for sample in response.samples] == ["length"]


def test_an_answer_without_a_reason_is_cut_off_where_it_took_all_tokens(open_chat: Start) -> None:
    engine = open_chat()
    (whole,) = generate(engine, [ask("ended=")], WARM)
    (cut,) = generate(engine, [ask("ended= and more words")], SHORT)
    (unknown,) = generate(engine, [ask("ended= uncounted")], WARM)
    assert [whole.samples[0].finish_reason, cut.samples[0].finish_reason] == ["stop", "length"]
    assert "does not say how its answer ended" in str(unknown.error)


@pytest.mark.parametrize("reason", ["content_filter", "tool_calls", "SAFETY", "error"])
def test_an_answer_that_ended_otherwise_is_none_and_the_service_s_word_is_named(
    open_chat: Start, reason: str
) -> None:
    bad, good = generate(open_chat(), [ask(f"ended={reason}"), ask("good")], WARM)
    assert f"`{reason}`" in str(bad.error)
    assert texts(good)


def test_text_in_parts_is_joined_and_what_is_no_text_is_left_out(open_chat: Start) -> None:
    (response,) = generate(open_chat(), [ask("parts of it")], WARM)
    assert texts(response) == ["parts of it 1024 base"]


def test_an_answer_of_reasoning_alone_says_so(open_chat: Start) -> None:
    bad, good = generate(open_chat(), [ask("reasoned"), ask("good")], WARM)
    assert "reasoning and no text: raise the sampling's max_tokens" in str(bad.error)
    assert texts(good)


def test_the_model_s_refusal_is_the_item_s_error(open_chat: Start) -> None:
    (response,) = generate(open_chat(), [ask("declined")], WARM)
    assert "the model refuses: I cannot help with that." in str(response.error)


def test_a_service_that_counts_nothing_is_used_and_that_is_said_once(
    open_chat: Start, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [ask(f"uncounted {number}") for number in range(3)]
    responses = generate(open_chat(max_prompt_tokens=1), requests, WARM)
    assert [texts(response)[0] for response in responses] == [
        f"{r.text} 1024 base" for r in requests
    ]
    assert {response.usage for response in responses} == {Usage()}
    assert caplog.text.count("counts no tokens") == 1


def test_a_service_that_counts_nothing_has_no_price(open_chat: Start) -> None:
    engine = open_chat(prompt_price=1.0)
    with pytest.raises(EngineError, match="what its answers cost is not known"):
        generate(engine, [ask("uncounted")], WARM)


@pytest.mark.parametrize("code", ["502", "429", "server_error"])
def test_a_failure_behind_a_status_of_200_is_tried_again(
    open_chat: Start, chat_server: Server, code: str
) -> None:
    (response,) = generate(open_chat(), [ask(f"behind-once={code}")], WARM)
    assert texts(response)
    assert sum(entry["event"] == "in" for entry in chat_server.noted()) == 2


def test_a_failure_behind_a_status_of_200_that_stays_ends_the_work_with_its_words(
    open_chat: Start,
) -> None:
    with pytest.raises(EngineError, match=r"in 2 tries, it says: upstream failed \(code 502\)"):
        generate(open_chat(retries=1), [ask("behind=502")], WARM)


@pytest.mark.parametrize(
    "code", ["400", "403", "invalid_request_error", "content_policy_violation"]
)
def test_a_refusal_behind_a_status_of_200_is_the_item_s(open_chat: Start, code: str) -> None:
    bad, good = generate(open_chat(), [ask(f"behind={code}"), ask("good")], WARM)
    assert "refuses the prompt: upstream failed" in str(bad.error)
    assert texts(good)


def test_the_name_of_the_limit_that_a_service_asks_for_is_learnt_once(
    open_chat: Start, chat_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_chat(extra={"quirk": "max_tokens"})
    first = generate(engine, [ask(f"first {number}") for number in range(8)], WARM)
    assert all(texts(response) for response in first)
    chat_server.noted()
    generate(engine, [ask(f"later {number}") for number in range(8)], WARM)
    sent = [entry["settings"] for entry in chat_server.noted() if entry["event"] == "in"]
    assert len(sent) == 8
    assert all(it["max_completion_tokens"] == 40 and "max_tokens" not in it for it in sent)
    assert caplog.text.count("rejects max_tokens") == 1


def test_a_refused_temperature_is_named_with_the_setting_that_leaves_it_out(
    open_chat: Start, chat_server: Server
) -> None:
    with pytest.raises(EngineError, match=r"engine.endpoint.extra: \{temperature: null\} \(its"):
        generate(open_chat(extra={"quirk": "temperature"}), [ask("x")], GREEDY)
    engine = open_chat(extra={"quirk": "temperature", "temperature": None})
    (response,) = generate(engine, [ask("x", n=3)], GREEDY)
    assert texts(response) == [f"x {1024 + number} base" for number in range(3)]
    sent = [entry["settings"] for entry in chat_server.noted() if entry["event"] == "in"]
    assert not any("temperature" in settings for settings in sent)


def test_what_a_service_needs_besides_is_sent_and_may_replace_a_setting(
    open_chat: Start, chat_server: Server
) -> None:
    extra = {"reasoning_effort": "low", "provider": {"order": ["a"]}, "top_p": 0.5, "top_k": None}
    generate(open_chat(extra=extra), [ask("x")], WARM)
    (sent,) = [entry["settings"] for entry in chat_server.noted() if entry["event"] == "in"]
    assert sent == {
        "max_tokens": 40, "temperature": 0.7, "top_p": 0.5, "reasoning_effort": "low",
        "provider": {"order": ["a"]},
    }  # fmt: skip


def configured(extra: str) -> list[str]:
    return [
        "engine.kind=openai",
        f"engine.endpoint={{url: 'http://h/v1', model: m, extra: {extra}}}",
    ]


def test_further_fields_are_part_of_an_answer_s_key_in_any_order() -> None:
    micro = REPOSITORY / "pipelines/configs/micro-tiny.yaml"
    found = [
        engine_identity(load_config(micro, configured(extra)).engine)
        for extra in ("{a: 1, b: 2}", "{b: 2, a: 1}", "{a: 1, b: 3}", "{}")
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert "endpoint_extra" not in found[3]


@pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
def test_further_fields_cannot_make_another_request(name: str) -> None:
    with pytest.raises(ConfigError, match=f"engine.endpoint.extra must not hold {name}"):
        load_config(
            REPOSITORY / "pipelines/configs/micro-tiny.yaml", configured(f"{{{name}: other}}")
        )


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A second server that answers as a judge would, and what it was sent."""
    came: list[str] = []
    body = msgspec.json.encode(
        {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Verdict: A"}}]}
    )

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", came
    server.shutdown()
    server.server_close()


def test_a_redirect_is_not_followed_and_its_host_is_named(
    open_chat: Start, elsewhere: tuple[str, list[str]]
) -> None:
    url, came = elsewhere
    with pytest.raises(
        EngineError, match=rf"redirects to {url}\. Redirects are not followed"
    ) as caught:
        generate(open_chat(), [ask(f"moved={url}/v1/secret?q=1")], WARM)
    assert came == []
    assert "secret" not in str(caught.value)


def test_a_redirect_s_address_is_shown_without_its_user_and_escaped(open_chat: Start) -> None:
    with pytest.raises(EngineError) as caught:
        generate(open_chat(), [ask("moved=http://me:pw@h\xfcst:99/x")], WARM)
    assert "pw" not in str(caught.value)
    assert str(caught.value).isascii()
