"""What the method asks of a model and makes of the answers, as generators that know no engine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar

from judgeloop.schema.requests import Request, Response

R = TypeVar("R")

Steps = Generator[Sequence[Request], Sequence[Response], R]
"""One input's work. It yields the requests of a step, which are asked together, is sent a response
to each, in their order, and returns what the input became. Whoever runs it may run others at the
same time: it depends on its input alone."""
