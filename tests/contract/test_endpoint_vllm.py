"""The engines' promises, kept by the endpoint engine on vLLM as a deployed pod starts it."""

import json

import pytest

from judgeloop.cli.main import main
from judgeloop.runtime.engine_start import open_engine
from judgeloop.schema.engine_section import EndpointSection, EngineSection
from judgeloop.schema.errors import EngineError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef
from judgeloop.schema.sampling import Sampling
from judgeloop.store import folder_checksums
from tests.contract.engine_contract import ModelContract
from tests.engine_rig import GREEDY, WARM, ask, generate, mixed, png, texts
from tests.vllm_server import KEY, serve_vllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def judge(idefics3, adapter):
    """The base with its adapter, as `train` names it."""
    folder = adapter / "adapter"
    digest = content_key(folder_checksums(folder))
    return ModelRef(base=str(idefics3), adapter=str(folder), adapter_sha256=digest)


def served_name(judge):
    return f"adapter-{judge.adapter_sha256[:16]}"


@pytest.fixture(scope="module")
def url(judge, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("CLIENTS_KEY", KEY)
        with serve_vllm(judge, tmp_path_factory.mktemp("vllm")) as address:
            yield address


@pytest.fixture(scope="module")
def start(start, idefics3, url, engine_library, engine_store):
    """As for the other engines, and for `openai` on the server."""
    opened = []

    def open_kind(kind, model=None, **settings):
        if kind != "openai":
            return start(kind, model, **settings)
        section = EngineSection(
            kind=kind,
            endpoint=EndpointSection(url=url, model="base", retries=1, key_variable="CLIENTS_KEY"),
            **{"batch_size": 5, "max_prompt_tokens": 200} | settings,
        )
        base = ModelRef(base=str(idefics3))
        opened.append(open_engine(section, model or base, engine_library, engine_store))
        return opened[-1]

    yield open_kind
    for engine in opened:
        engine.close()


@pytest.fixture(scope="class")
def engine(start):
    """The engine of the class; `start` closes it."""
    return start("openai")


def whole(response):
    """Texts without a last character that was cut off: one engine shows its bytes, one does not."""
    return [text.rstrip("\N{REPLACEMENT CHARACTER}") for text in texts(response)]


class TestEndpoint(ModelContract):
    kind = "openai"
    merged_kind = "transformers"  # the server has one base
    judged_with = GREEDY  # the two draw by other numbers

    @classmethod
    def seen(cls, responses):
        return [whole(response) for response in responses]

    # What an adapter's files are, and what a faked image means, is the server's affair.
    test_a_pickled_adapter_is_refused = None
    test_a_prompt_that_fakes_an_image_fails_alone = None
    # It sends bytes, of the requests under way alone.
    test_few_images_are_in_memory_at_a_time_whatever_the_slots_and_the_rows = None

    def test_greedy_texts_are_those_of_transformers(self, start, engine, pictures):
        requests = mixed(pictures)
        made = [whole(response) for response in generate(engine, requests, GREEDY)]
        theirs = generate(start("transformers"), requests, GREEDY)
        assert made == [whole(response) for response in theirs]
        assert len({row[0] for row in made}) > 1

    def test_an_adapter_that_is_not_served_is_refused(self, start, judge):
        other = ModelRef(base="b", adapter="train/k/adapter-f", adapter_sha256="f" * 64)
        with pytest.raises(EngineError, match=rf"serves {served_name(judge)}, base, .*FOLDER"):
            start("openai", other)

    def test_what_the_server_refuses_fails_alone(self, engine, pictures):
        long = ask(8, pictures, "red " * 1000)
        many = ask(9, pictures, images=tuple(pictures[:3]))
        first, second, other = generate(engine, [long, many, ask(1, pictures)], WARM)
        assert "refuses the prompt: This model's maximum context length is 512" in first.error
        assert "refuses the prompt: At most 2 image(s)" in second.error
        assert other == generate(engine, [ask(1, pictures)], WARM)[0]

    def test_all_tokens_are_counted_once_a_sample(self, engine, pictures):
        (one,) = generate(engine, [ask(0, pictures, n=1)], WARM)
        (many,) = generate(engine, [ask(0, pictures, n=16)], WARM)
        assert many.usage.prompt_tokens == 16 * one.usage.prompt_tokens > 0
        assert many.usage.completion_tokens == sum(sample.tokens for sample in many.samples)

    def test_more_tokens_than_the_context_has_are_no_item_s_fault(self, engine, pictures):
        with pytest.raises(EngineError, match=r"a plain question .* too.*max_model_len"):
            generate(engine, [ask(0, pictures)], Sampling(max_tokens=1000))


def test_the_command_line_gets_over_http_what_it_gets_in_its_own_process(
    url, judge, tmp_path, capsys
):
    """Both orders of a pair, by the judge and by its base."""
    (tmp_path / "a.png").write_bytes(png((200, 30, 30), (48, 48)))
    asked = ["--image", str(tmp_path / "a.png"), "--question", "caption", "--a", "red circle",
             "--b", "blue circle", "--prompts", "tiny", "--max-tokens", "12"]  # fmt: skip
    server = ["--endpoint", url, "--served-model", "base", "--key-variable", "CLIENTS_KEY"]
    found = []
    for how in (server, ["--engine", "transformers"]):
        given = ["--model", judge.adapter, *asked, *how, "--beside-base", "--json"]
        assert main(["verdict", *given]) == 0
        said = capsys.readouterr().out
        found.append(json.loads(said.replace('\N{REPLACEMENT CHARACTER}"', '"')))  # as `whole` does
    there, here = found
    assert there == here
    assert [each["text"] for each in here["judgements"]] != [
        each["text"] for each in here["base"]["judgements"]
    ]
    assert all(each["text"] for each in here["judgements"])
