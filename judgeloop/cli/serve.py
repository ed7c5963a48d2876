"""`judgeloop serve`: serves a judge over HTTP, with the OpenAI API."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys
from types import FrameType

import click

from judgeloop.cli.command import command, command_line
from judgeloop.cli.judge_selection import selected_judge
from judgeloop.schema.errors import ConfigError

HOST = "127.0.0.1"


@command(
    "serve",
    "judgeloop serve --run runs/demo",
    "judgeloop serve --judge models:/judge/3 --engine vllm --host 0.0.0.0 --key-variable JUDGE_KEY",
)
@click.option(
    "--judge", "name", metavar="JUDGE",
    help="models:/judge@champion, an adapter or model folder, builtin:tiny-vlm, or a hub id.  "
    "[default: the champion of --run]",
)  # fmt: skip
@click.option("--run", metavar="DIR", help="Ask the registry of this run, such as runs/demo.")
@click.option(
    "--engine", type=click.Choice(("transformers", "vllm")),
    help="The engine.  [default: vllm if possible, else transformers]",
)  # fmt: skip
@click.option("--host", default=HOST, show_default=True, help="Other than loopback needs a key.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--key-variable", metavar="NAME", help="Environment variable with clients' key.")
def serve(
    name: str | None,
    run: str | None,
    engine: str | None,
    host: str,
    port: int,
    key_variable: str | None,
) -> int:
    """Serve a judge with the OpenAI API until Ctrl-C: /v1/models and /v1/chat/completions.

    The judge can be asked like any chat model; `judgeloop verdict --endpoint` and `judgeloop judge
    --endpoint` ask it in both orders, with the same verdicts as without a server.

    Raises:
        ConfigError: The address or the key cannot be used.
        JudgeLoopError: The judge cannot be loaded.
    """
    key = _key(key_variable, host)
    judge = selected_judge(name, run)
    sys.stderr.write(f"loading {judge}\n")
    from judgeloop.serve.server import JudgeServer
    from judgeloop.serve.start import open_dispatcher

    signal.signal(signal.SIGTERM, _interrupt)
    with (
        open_dispatcher(judge, engine) as (dispatcher, names),
        JudgeServer((host, port), dispatcher, names, key).serving() as url,
    ):
        asks = ["verdict", "--model", judge, "--endpoint", url, "--served-model", names[0]]
        asks += ["--image", "scene.png", "--question", "...", "--a", "...", "--b", "..."]
        sys.stdout.write(
            f"serving {judge} at {url} as {', '.join(names)}\nto ask it: {command_line(asks)}\n"
        )
        sys.stdout.flush()
        try:
            dispatcher.work()
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
    return 0


def _key(variable: str | None, host: str) -> str | None:
    """Returns the clients' key.

    Raises:
        ConfigError: It is not set, or others could reach the server without one.
    """
    if variable is None:
        if not _is_loopback(host):
            raise ConfigError(
                f"--host {host}: others could ask the judge there; name the environment variable "
                f"with a key for clients by --key-variable, or serve on {HOST}"
            )
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"--key-variable {variable}: this environment variable is not set")
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
