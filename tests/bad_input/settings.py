"""Configurations and command lines that are wrong."""

from tests.bad_input.case import MICRO, Case, run_command, run_config, verdict_command

GROUP = "Configuration and command line"


def wrong(what: str, change: str, words: str) -> Case:
    return Case(GROUP, what, run_command(change), words, code=2)


def file(what: str, content: bytes, words: str) -> Case:
    return Case(GROUP, what, run_config(content), words, code=2)


def typed(what: str, words: str, *arguments: str, code: int = 2) -> Case:
    return Case(GROUP, what, verdict_command(*arguments), words, code=code)


SETTINGS = [
    wrong("an unknown key", "loop.iteration=2", "did you mean `loop.iterations`"),
    wrong("a value of the wrong type", "loop.iterations=four", "`int`, got `str`"),
    wrong("a negative number", "data.count=-5", r"`int \| null` >= 1|`int` >= 1"),
    wrong("NaN", "training.learning_rate=.nan", "> 0.0 - at `training.learning_rate`"),
    wrong("infinity", "training.learning_rate=.inf", "`training.learning_rate` is infinite"),
    wrong("settings that contradict each other", "training.epochs=3", "exactly one of epochs and"),
    wrong("a vote that cannot be won", "synthesis.vote_threshold=17", "no vote could be won"),
    wrong("an engine and a training that don't go together", "training.kind=lora", "`scripted`"),
    wrong("a section in place of a value", "loop.iterations.x=1", "is a value, not a section"),
    wrong("a change without a value", "loop.iterations", "section.key=value"),
    wrong("an unknown value of a few", "training.schedule=step", "known: cosine, linear, constant"),
    wrong("a change that contradicts the file", "training.start=first",
          r"judgeloop run: --set training\.start=first: .*known: previous, best, base"),
    wrong("a date that is none in place of a number", "loop.seed=2026-02-30",
          r"--set loop\.seed=2026-02-30: Expected `int`, got `str`"),
    wrong("a number of 5,000 digits", f"loop.seed={'9' * 5_000}", "cannot be read: Exceeds the"),
    wrong("a tag that its value is not of", "loop.seed=!!int foo", "the value is not YAML"),
    wrong("a key that is a list", "loop={{[1]: 2}}", "a key must be a text"),
    wrong("a key that is a list, on a line of its own", "loop=? [a]", "a key must be a text"),
    wrong("a list that is cut off", "synthesis.errors=[first", "the value is not YAML"),
    wrong("two changes of which the second is wrong", "loop.seed=1 data.shard_size=none",
          r"--set data\.shard_size=none: Expected `int`"),
    wrong("half a surrogate pair", 'data.questions="\\ud800"', "half a surrogate pair"),
    Case(GROUP, "a run's folder on a server", run_command(out="ftp://host/x"),
         "'ftp://host/x' is an address", code=2),
    Case(GROUP, "a run's folder in a bucket", run_command(out="s3:bucket"),
         r"'s3:bucket' is an address.*\./s3:bucket is a folder of that name", code=2),
    Case(GROUP, "a run's folder on a drive", run_command(out="C:\\x"), "Windows path", code=2),
    wrong("a store on a drive", "store=C:\\x", "Windows path and cannot be opened"),
    wrong("a store in a bucket without its scheme", "store=s3:bucket", "s3://bucket/prefix"),
    wrong("a store on a machine", "store=file://x", "'x' stands where the machine does"),
    wrong("a limit of pixels above what can be opened", "data.max_pixels=999999999",
          "<= 100000000"),
    wrong("a model's name with a slash", "registry.model_name=a/b", "registry.model_name"),
    wrong("a model's name that begins with a space", "registry.model_name=' judge'",
          "begins or ends with white space"),
    wrong("an experiment's name of 300 characters", f"registry.experiment={'x' * 300}",
          "300 characters, MLflow keeps 256"),
    wrong("a store with a wrong scheme", "store=https://host/bucket", "s3://bucket/prefix"),
    wrong("a store without a bucket", "store=s3://", "names no bucket"),
    file("a key that occurs twice", MICRO.read_bytes() + b"\nloop: {}\n",
         "`loop` occurs twice"),
    file("a file that is no mapping", b"- a\n- b\n", "must hold a mapping"),
    file("a file that is no YAML", b"loop: [\n", "not YAML"),
    file("a file in another encoding", "store: é".encode("latin-1"), "cannot be read"),
    file("lists nested 5,000 deep", b"loop: " + b"[" * 5_000, "nested too deeply"),
    Case(GROUP, "an unknown level of logging", verdict_command(JUDGELOOP_LOG="loud"),
         "JUDGELOOP_LOG=LOUD: use DEBUG", code=2),
    typed("a negative limit of tokens", "-1 is not in the range", "--max-tokens", "-1"),
    typed("an image that is missing", "cannot be read", "--image", "none.png", code=3),
    typed("a page in place of an image", "not an image", "--image", __file__, code=3),
    typed("an unknown prompt set", "no prompt set '../x'", "--prompts", "../x"),
]  # fmt: skip
