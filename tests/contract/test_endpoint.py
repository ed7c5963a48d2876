"""The endpoint engine against a server process with faults: nothing is lost, nothing is doubled."""

import collections
import io
import time
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from judgeloop.method.steps import Steps
from judgeloop.runtime.inference import Records
from judgeloop.runtime.progress import Progress
from judgeloop.runtime.stages.inference import infer
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError, EngineError, StoreError
from judgeloop.schema.records import Example, Manifest
from judgeloop.schema.requests import Usage
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.chat_server import SERVED
from tests.conftest import REPOSITORY
from tests.endpoint_rig import BASE, GREEDY, WARM, Server, Start, ask, texts
from tests.engine_rig import generate

ADAPTED = msgspec.structs.replace(BASE, adapter="train/k/a", adapter_sha256="0123456789abcdef" * 4)


@pytest.fixture
def server(chat_server: Server) -> Server:
    return chat_server


@pytest.fixture
def library(chat_library: ImageLibrary) -> ImageLibrary:
    return chat_library


@pytest.fixture
def start(open_chat: Start) -> Start:
    return open_chat


def test_every_sample_is_asked_for_once_and_comes_back_in_its_place(
    start: Start, server: Server
) -> None:
    engine = start(batch_size=5)
    requests = [ask(f"question {i}", seed=1024 * i, n=1 + i % 4) for i in range(30)]
    responses = generate(engine, requests, WARM)
    assert [response.id for response in responses] == [request.id for request in requests]
    for request, response in zip(requests, responses, strict=True):
        expected = [f"{request.text} {request.seed + i} base" for i in range(request.n)]
        assert texts(response) == expected
        assert response.usage == Usage(2 * request.n, 4 * request.n)
    came = [(e["text"], e["seed"]) for e in server.noted() if e["event"] == "in"]
    assert sorted(came) == sorted((r.text, r.seed + i) for r in requests for i in range(r.n))


@pytest.mark.parametrize("bound", [1, 6])
def test_no_more_samples_are_under_way_than_the_batch_size_says(
    start: Start, server: Server, bound: int
) -> None:
    engine = start(batch_size=bound)
    generate(engine, [ask(f"busy {bound} {i}", n=2) for i in range(bound)], WARM)
    under_way, most = 0, 0
    for entry in server.noted():
        under_way += 1 if entry["event"] == "in" else -1
        most = max(most, under_way)
    assert bound / 2 < most <= bound


def test_settings_that_are_off_are_not_sent(start: Start, server: Server) -> None:
    engine = start()
    for sampling in (WARM, msgspec.structs.replace(WARM, top_k=0), GREEDY):
        generate(engine, [ask("settings", n=3)], sampling)
    sent = [e["settings"] | {"seed": e["seed"]} for e in server.noted() if e["event"] == "in"]
    warm = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 40}
    assert {"seed": 1024, "top_k": 20, **warm} in sent
    assert {"seed": 1026, **warm} in sent
    assert sent[6:] == [{"temperature": 0.0, "max_tokens": 40, "seed": None}]


def test_greedy_samples_are_copies_of_one_answer(start: Start) -> None:
    (response,) = generate(start(), [ask("greedy", n=3)], GREEDY)
    assert texts(response) == ["greedy None base"] * 3
    assert response.usage == Usage(1, 3)


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says(
    start: Start, server: Server
) -> None:
    engine = start()
    began = time.monotonic()
    (response,) = generate(engine, [ask("limited")], WARM)
    assert time.monotonic() - began >= 1.0  # Retry-After; the library's own first pause is shorter
    assert texts(response) == ["limited 1024 base"]
    assert len([e for e in server.noted() if e["event"] == "in"]) == 2


@pytest.mark.parametrize("fault", ["broken-once", "cut"])
def test_a_fault_of_the_server_repeats_one_sample_alone(
    start: Start, server: Server, fault: str
) -> None:
    requests = [ask(f"before-{fault}"), ask(f"{fault} one", n=2), ask(f"after-{fault}")]
    responses = generate(start(), requests, WARM)
    assert [texts(r)[0] for r in responses] == [f"{r.text} 1024 base" for r in requests]
    assert [len(r.samples) for r in responses] == [1, 2, 1]
    came = collections.Counter((e["text"], e["seed"]) for e in server.noted() if e["event"] == "in")
    assert came == {
        (f"before-{fault}", 1024): 1,
        (f"{fault} one", 1024): 2,
        (f"{fault} one", 1025): 2,
        (f"after-{fault}", 1024): 1,
    }


def test_a_slow_answer_is_given_up_and_asked_for_again(start: Start) -> None:
    began = time.monotonic()
    (response,) = generate(start(timeout_s=0.5), [ask("slow")], WARM)
    assert texts(response) == ["slow 1024 base"]
    assert time.monotonic() - began < 15


def test_a_request_that_the_server_refuses_fails_alone(start: Start, server: Server) -> None:
    good = [ask(f"fine {i}", n=2) for i in range(3)]
    engine = start(batch_size=1)
    bad, filtered, *others = generate(engine, [ask("bad", n=5), ask("filtered"), *good], WARM)
    assert bad.error == "the endpoint refuses the prompt: prompt refused; your key is <key>"
    assert "content_filter" in str(filtered.error)
    assert [len(response.samples) for response in others] == [2, 2, 2]
    came = [e["text"] for e in server.noted() if e["event"] == "in"]
    assert came.count("bad") == 1  # its other samples would cost and be refused as well
    assert len(came) == 1 + 1 + 6 + 1  # and one plain question, which shows that it was the item


def test_settings_that_the_server_refuses_are_no_item_s_fault(start: Start) -> None:
    sampling = msgspec.structs.replace(WARM, top_k=7)
    with pytest.raises(EngineError, match=r"plain question with the same settings too \(top_k\?\)"):
        generate(start(), [ask("one"), ask("two")], sampling)


def test_a_prompt_over_the_limit_fails_alone_and_its_cost_is_counted(start: Start) -> None:
    long, short = generate(start(), [ask("word " * 61), ask("short")], WARM)
    assert "61 tokens, the limit is 60" in str(long.error)
    assert long.usage.prompt_tokens == 61
    assert short.error is None


def test_pictures_arrive_in_order_and_a_missing_one_fails_its_request_alone(
    start: Start, library: ImageLibrary
) -> None:
    one, two = (library.add(_png(colour)) for colour in ("red", "blue"))
    engine = start()
    both, turned, none, lost = (
        ask("images", id=str(i), images=images)
        for i, images in enumerate([(one, two), (two, one), (), ("0" * 64,)])
    )
    first, second, third, fourth = generate(engine, [both, turned, none, lost], WARM)
    words = [texts(response)[0].split() for response in (first, second, third)]
    assert words[0][3:] == words[1][:2:-1]
    assert len(words[0]) == 5
    assert len(words[2]) == 3
    assert first.usage.prompt_tokens == 19
    assert "0" * 64 in str(fourth.error)


def test_pictures_follow_the_text_where_the_request_says_so(
    start: Start, server: Server, library: ImageLibrary
) -> None:
    name = library.add(_png("red"))
    asked = [ask("what", id=str(at), images=(name,), images_last=bool(at)) for at in range(2)]
    server.noted()
    generate(start(), asked, GREEDY)
    shown = [entry["shown"] for entry in server.noted() if entry["event"] == "in"]
    assert sorted(shown) == [["image_url", "text"], ["text", "image_url"]]


def test_a_store_that_is_away_is_no_answer(
    start: Start, library: ImageLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> bytes:
        raise StoreError("cannot read: connection refused")

    engine = start()
    monkeypatch.setattr(library, "read", away)
    with pytest.raises(StoreError, match="connection refused"):
        generate(engine, [ask("x", images=("0" * 64,)), *(ask(f"y{i}") for i in range(20))], WARM)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limited-for-ever", r"in 2 tries, it limits the request rate.*Retry-After: 1.*batch_size"),
        ("broken", r"in 2 tries, status 500: out of luck"),
        ("html", r"no chat completion"),
    ],
)
def test_a_server_that_goes_on_failing_ends_the_work_with_its_reason(
    start: Start, text: str, message: str
) -> None:
    engine = start(retries=1, batch_size=2)
    with pytest.raises(EngineError, match=message):
        generate(engine, [ask(text), *(ask(f"{text} other {i}") for i in range(4))], WARM)
    assert texts(generate(engine, [ask("after")], WARM)[0]) == ["after 1024 base"]


def test_a_dead_endpoint_is_named_within_seconds(start: Start) -> None:
    began = time.monotonic()
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:9/v1 did not list its models"):
        start(url="http://127.0.0.1:9/v1")
    assert time.monotonic() - began < 10


def test_a_wrong_key_is_refused_at_once_and_never_shown(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", "sk-secret-and-wrong")
    with pytest.raises(EngineError, match=r"rejects the key of TEST_KEY") as caught:
        start()
    assert "secret" not in str(caught.value)
    monkeypatch.delenv("TEST_KEY")
    with pytest.raises(ConfigError, match="TEST_KEY is not set"):
        start()


def test_a_url_that_is_no_api_is_named(start: Start, server: Server) -> None:
    with pytest.raises(EngineError, match=r"status 404.*ends in /v1"):
        start(url=server.url.removesuffix("/v1"))


def test_a_model_that_is_not_served_is_named_with_those_that_are(start: Start) -> None:
    served = ", ".join(sorted(SERVED))
    with pytest.raises(EngineError, match=rf"serves {served}, not engine\.endpoint\.model other"):
        start(model="other")


def test_a_judge_is_asked_under_its_adapter_s_name_and_the_base_under_its_own(start: Start) -> None:
    asked = [ask("judge"), ask("both", use_adapter=False), ask("both")]
    made = [texts(response) for response in generate(start(ADAPTED), asked, WARM)]
    name = "adapter-0123456789abcdef"
    assert made == [[f"judge 1024 {name}"], ["both 1024 base"], [f"both 1024 {name}"]]


def test_a_server_without_the_base_serves_a_judge_until_the_base_is_asked(
    start: Start, server: Server
) -> None:
    engine = start(ADAPTED, model="other")
    with pytest.raises(EngineError, match=r"not engine\.endpoint\.model other"):
        generate(engine, [ask("judge"), ask("x", use_adapter=False)], WARM)
    assert server.noted() == []  # nothing was paid for
    assert texts(generate(engine, [ask("judge")], WARM)[0])


def test_a_slow_answer_holds_up_no_other(start: Start) -> None:
    engine = start(timeout_s=1.5, batch_size=2)
    answered = []
    for number, text in enumerate(["slow once more", "quick 1", "quick 2", "quick 3"]):
        engine.submit(number, ask(text))
    while len(answered) < 4:
        answered += [number for number, _ in engine.poll()]
    assert answered == [1, 2, 3, 0]


@pytest.mark.parametrize("digest", ["f" * 64, ""])
def test_a_judge_whose_adapter_is_not_served_says_how_to_serve_it(
    start: Start, digest: str
) -> None:
    other = msgspec.structs.replace(ADAPTED, adapter_sha256=digest)
    with pytest.raises(EngineError) as caught:
        start(other)
    message = str(caught.value)
    assert "train/k/a" in message
    assert f"--lora-modules adapter-{digest[:16]}=FOLDER" in message
    assert "load_lora_adapter" in message


def test_a_stage_that_was_stopped_asks_for_nothing_twice_and_counts_all_that_it_paid(
    server: Server, chat_key: None, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "store")
    config = load_config(
        REPOSITORY / "pipelines/configs/micro-tiny.yaml",
        [
            "engine.kind=openai",
            "engine.shards_in_flight=1",
            f"engine.endpoint={{url: '{server.url}', model: base, key_variable: TEST_KEY, "
            "prompt_price: 2, completion_price: 10}",
        ],
    )
    header = Manifest(stage="work", stage_version=1, key="k", model=BASE)
    names = [f"staged {i}" for i in range(6)]
    stop_at = ["staged 4"]

    def steps(name: str) -> Steps[Records]:
        if name in stop_at:
            raise KeyboardInterrupt
        (made,) = yield [ask(name)]
        return [Example(id=name, images=(), prompt="", completion=texts(made)[0])]

    def run() -> Manifest:
        return infer(
            config, store, header, [names[:2], names[2:4], names[4:]], steps,
            lambda: Progress("t", 3, "batches"), lambda written: written,
        )  # fmt: skip

    server.noted()
    with pytest.raises(KeyboardInterrupt):
        run()
    stop_at.clear()
    done = run()
    came = [e["text"] for e in server.noted() if e["event"] == "in"]
    assert sorted(came) == names
    assert (done.counts["tokens/prompt"], done.counts["tokens/completion"]) == (12, 24)
    assert float(done.details["cost"]) == pytest.approx((12 * 2 + 24 * 10) / 1e6)


def _png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(buffer, "PNG")
    return buffer.getvalue()
