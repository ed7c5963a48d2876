"""Commands that a document shows: make targets, our programs, their sub-commands and options."""

import re
import shlex
from collections.abc import Iterator

import click

from judgeloop.cli.main import cli
from tests.conftest import REPOSITORY
from tests.documents.known import config_keys, files, makefile, tests, top_folders

_PROGRAM = re.compile(r"(?:\.venv/bin/)?(make|judgeloop|pytest|python)")
_ENDS = ("|", "&", "&&", ";", ">", "/", "…")
"""Words after which a command is over, or not shown."""
_ALIASES = ("judgeloop", "judgeloop.cli", "pipelines")
"""Modules that are the command `judgeloop`."""


def about_command(line: str) -> Iterator[str]:
    """Looks at a line that begins with one of our programs; all others are passed over."""
    try:
        words = shlex.split(line.removeprefix("$ "), comments=True)
    except ValueError:  # a sentence with an apostrophe
        return
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    program = _PROGRAM.fullmatch(words[0]) if words else None
    if program is None or (words[1:2] and words[1].endswith(":")):  # `judgeloop clean: its error`
        return
    end = next((number for number, word in enumerate(words) if word in _ENDS), len(words))
    words = words[1:end]
    if program[1] == "make":
        yield from _make(words)
    elif program[1] == "pytest":
        yield from _pytest(words)
    elif program[1] == "judgeloop":
        yield from _parsed(words)
    elif words[:1] == ["-m"]:
        yield from _module(words[1], words[2:])


def _make(words: list[str]) -> Iterator[str]:
    targets = [word for word in words if "=" not in word]
    for target in targets:
        if not re.search(rf"^([a-z-]+ )*{re.escape(target)}( [a-z-]+)*:", makefile(), re.MULTILINE):
            yield f"make {target}: there is no such target"
    for name, value in (word.split("=", 1) for word in words if "=" in word):
        if not re.search(rf"^{name} \?=", makefile(), re.MULTILINE):
            yield f"make {name}=…: there is no such variable"
        elif name == "SET":
            yield from _set(value)
        elif name == "ARGS":
            yield from _arguments(targets[0], shlex.split(value))


def _arguments(target: str, words: list[str]) -> Iterator[str]:
    """Looks at what a target hands on to its program."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile(), re.MULTILINE)
    if recipe is None or "$(ARGS)" not in recipe[1]:
        yield f"make {target} ARGS=…: it takes none"
        return
    program, *_ = re.findall(r"-m (\S+)", recipe[1])
    yield from _pytest(words) if program == "pytest" else _module(program, words)


def _set(pair: str) -> Iterator[str]:
    key = pair.partition("=")[0]
    if key not in config_keys():
        yield f"{pair}: the configuration has no such key"


def _pytest(words: list[str]) -> Iterator[str]:
    chosen = words[words.index("-k") + 1] if "-k" in words else ""
    for part in set(re.findall(r"\w+", chosen)) - {"or", "and", "not"}:
        if not any(part in known for known in tests() | files()):
            yield f"-k {part}: fits no test"
    for word in words:
        path = word.partition("::")[0]
        if path.startswith("tests/") and not (REPOSITORY / path).exists():
            yield f"pytest {path}: there is no such file"


def _module(module: str, words: list[str]) -> Iterator[str]:
    if module.split(".")[0] not in top_folders():
        return  # not ours
    if module in _ALIASES:
        yield from _parsed(words)
        return
    path = REPOSITORY / module.replace(".", "/")
    sources = list(path.glob("*.py")) if (path / "__main__.py").is_file() else []
    sources += [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else []
    if not sources:
        yield f"python -m {module}: there is no such module"
        return
    text = "".join(source.read_text() for source in sources)
    for option in _options(words):
        if f'"{option}"' not in text:
            yield f"python -m {module} {option}: there is no such option"


def _parsed(words: list[str]) -> Iterator[str]:
    """Looks for a command of `judgeloop`, its options and its settings."""
    command: click.Command = cli
    context = click.Context(cli)
    path = "judgeloop"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        path = f"{path} {words.pop(0)}"
        if found is None:
            yield f"{path}: there is no such command"
            return
        command = found
    known = {name for each in command.get_params(context) for name in each.opts}
    for option in _options(words):
        if option not in known:
            yield f"{path} {option}: there is no such option"
    for number, word in enumerate(words[:-1]):
        if word == "--set":
            yield from _set(words[number + 1])


def _options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]
