"""A set of prompts in files: `set.yaml` and Jinja templates, ours or a copy of a user."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated

import jinja2
import msgspec
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from judgeloop.method.judging.labels import Labels
from judgeloop.method.judging.verdict import parse_verdict
from judgeloop.method.prompts.fences import fenced
from judgeloop.method.prompts.files import SETTINGS, TEMPLATE, package_files
from judgeloop.method.routing.options import options_in
from judgeloop.method.synthesis.errors import ERROR_KINDS
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Kind, Question, Verdict

MAX_TEMPLATE = 50_000
"""Characters of a template."""
_SINGLE = ("answer", "judge", "compare")
_FORM = re.compile(
    r"\b(?:answer|respond|reply|choose|select|pick|give|state|output|provide|write|return)\b[^.?!\n]{0,100}"
    r"\b(?:directly|single\s+word|word\s+or\s+(?:short\s+)?phrase|one\s+word|yes\s+or\s+no"
    r"|(?:letter|number|option|choice)\s+only|only\s+(?:the\s+|with\s+the\s+)?(?:letter|number|option)"
    r"|option'?s?\s+letter|correct\s+letter|letter\s+(?:of|from)|given\s+choices|given\s+options"
    r"|short\s+(?:answer|phrase)|briefly|without\s+(?:any\s+)?(?:explanation|reasoning))\b"
    r"|直接[^。？！\n]{0,20}(?:回答|作答|给出|給出|输出|輸出|答えて)"
    r"|(?:只|仅|僅)[^。？！\n]{0,8}(?:回答|作答|给出|給出|输出|輸出|写|寫|选)[^。？！\n]{0,8}"
    r"(?:字母|选项|選項|数字|數字|单词|是或否)|[单單](?:词|詞|个词|個詞)或(?:短语|短語)|記号(?:だけ|のみ)",
    re.IGNORECASE,
)


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    labels: tuple[str, str]
    judgement_tokens: Annotated[int, msgspec.Meta(ge=1)]


class TemplatePrompts:
    """Prompts in words; a judgement ends with the line `Verdict: <label>`.

    Args:
        name: Of the set: `default`, or the folder as the configuration names it.
        files: Texts by the files' names; others than the set's are passed over.

    Raises:
        ConfigError: A file is missing or wrong; the message names it.
    """

    error_kinds = ERROR_KINDS

    def __init__(self, name: str, files: Mapping[str, str]) -> None:
        self.name = name
        self._files = files
        settings = self._settings()
        self.labels = settings.labels
        self.judgement_tokens = settings.judgement_tokens
        first, second = settings.labels
        self.images_last = False
        self.verdict_endings = (f"\nVerdict: {first}", f"\nVerdict: {second}")
        self._environment = _environment()
        names = sorted(
            file.removesuffix(TEMPLATE)
            for file in files
            if file.startswith("alter") and file.endswith(TEMPLATE)
        )
        if not names:
            raise ConfigError(f"prompts {name}: there is no alter*.jinja; copy those of `default`")
        self._sources = {
            template: self._read(f"{template}{TEMPLATE}") for template in (*_SINGLE, *names)
        }
        self._templates = {key: self._compiled(key) for key in self._sources}
        self._alterations = names
        self._check()

    def answer(self, question: Question) -> str:
        """Asks the question, with the form of the final answer where it does not say one itself."""
        asked = _asked(question)
        return self._render(
            "answer", question, kind=str(question.kind), form_is_given=bool(_FORM.search(asked))
        )

    def alter(self, question: Question, answer: str, error: str, draw: float) -> str:
        """Asks for a copy in the same style and length with one error of that kind."""
        error = self.error_kinds[error].wording if error in self.error_kinds else error
        name = self._alterations[int(draw * len(self._alterations))]
        return self._render(name, question, answer=answer, error=error)

    def judge(self, question: Question, answer_a: str, answer_b: str) -> str:
        """Asks for a comparison with reasons and a verdict on the last line."""
        return self._render("judge", question, answer_1=answer_a, answer_2=answer_b)

    def compare(self, question: Question, original: str, copy: str) -> str:
        """Asks whether the two texts contradict each other."""
        return self._render("compare", question, original=original, copy=copy)

    def read_verdict(self, text: str, finish_reason: str) -> Verdict:
        """Reads a verdict line, or another clear decision."""
        return parse_verdict(text, finish_reason, self.labels)

    def files(self) -> dict[str, str]:
        """Returns the texts of the set's files by their names."""
        used = {f"{name}{TEMPLATE}": text for name, text in self._sources.items()}
        return dict(sorted((used | {SETTINGS: self._files[SETTINGS]}).items()))

    def _render(self, template: str, question: Question, **variables: object) -> str:
        text = self._templates[template].render(
            question=_asked(question), images=len(question.images), labels=self.labels, **variables
        )
        return text.strip()

    def _read(self, file: str) -> str:
        text = self._files.get(file)
        if text is None:
            raise ConfigError(
                f"prompts {self.name}: {file} cannot be read (there is none); copy it from the set "
                "`default` (judgeloop/method/prompts/default)"
            )
        if len(text) > MAX_TEMPLATE:
            raise ConfigError(
                f"prompts {self.name}: {file} has more than {MAX_TEMPLATE} characters"
            )
        return text

    def _settings(self) -> _Settings:
        try:
            settings = msgspec.convert(yaml.safe_load(self._read(SETTINGS)), _Settings)
            Labels.of(settings.labels)
        except (msgspec.ValidationError, yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"prompts {self.name}: {SETTINGS}: {error}") from error
        return settings

    def _compiled(self, name: str) -> jinja2.Template:
        try:
            return self._environment.from_string(self._sources[name])
        except jinja2.TemplateSyntaxError as error:
            raise ConfigError(
                f"prompts {self.name}: {name}.jinja, line {error.lineno}: {error.message}"
            ) from error

    def _check(self) -> None:
        """Renders every template once, so that a wrong one is found before anything is paid for."""
        probe = Question(id="", images=("", ""), text="<question>", kind=Kind.NUMBER)
        share = 1 / len(self._alterations)
        shown = ["<question>", "<one>", "<other>", *self.labels]
        wanted: dict[str, tuple[Callable[[], str], list[str]]] = {
            "answer": (lambda: self.answer(probe), shown[:1]),
            "judge": (lambda: self.judge(probe, "<one>", "<other>"), shown),
            "compare": (lambda: self.compare(probe, "<one>", "<other>"), shown[1:3]),
        }
        for place, name in enumerate(self._alterations):
            draw = place * share
            wanted[name] = (
                partial(self.alter, probe, "<one>", "<error>", draw),
                ["<one>", "<error>"],
            )
        for name, (render, parts) in wanted.items():
            try:
                text = render()
            except (
                jinja2.TemplateError,
                ArithmeticError,
                LookupError,
                TypeError,
                ValueError,
            ) as error:
                raise ConfigError(f"prompts {self.name}: {name}.jinja: {error}") from error
            missing = [part for part in parts if part not in text]
            if missing:
                raise ConfigError(
                    f"prompts {self.name}: {name}.jinja never shows {', '.join(missing)}"
                )


def default_prompts() -> TemplatePrompts:
    """Returns the set of the package."""
    return TemplatePrompts("default", package_files())


def _asked(question: Question) -> str:
    """The question's text, with its options and their letters unless it has them already."""
    choices = question.choices or ()
    shown = options_in(question.text) or ()
    if not choices or shown or all(choice in question.text for choice in choices):
        return question.text
    lines = [f"({chr(ord('A') + index)}) {choice}" for index, choice in enumerate(choices)]
    return "\n".join([question.text, *lines])


def _environment() -> jinja2.Environment:
    environment = ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["fenced"] = fenced
    return environment
