"""The report's page as a browser shows it: headless Chromium, no network."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from judgeloop.runtime.stages.report import report
from judgeloop.schema.config import ReportSection
from tests.history_fixture import HOSTILE, SampleLoop

WINDOW = (1200, 9000)
"""Tall enough for the whole page."""
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # Chromium's own calls must not leave either
)
BROWSER = "not an origin"
"""The initiator of Chromium's own requests in its network log."""
PLANTED = "http://planted.invalid/image.png"
Colours = Counter[tuple[int, int, int]]


class Browser:
    """Opens one page; every call starts Chromium anew with an empty profile."""

    def __init__(self, executable: str, folder: Path, page: Path) -> None:
        self.executable, self.folder, self.page = executable, folder, page

    def run(self, *arguments: str, page: Path | None = None) -> str:
        profile = f"--user-data-dir={self.folder / 'profile'}"
        address = (page or self.page).as_uri()
        command = [self.executable, *FLAGS, profile, *arguments, address]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def screenshot(self, *arguments: str) -> Image.Image:
        path = self.folder / "page.png"
        size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
        self.run(f"--screenshot={path}", size, *arguments)
        return Image.open(path).convert("RGB")


def count_colours(image: Image.Image) -> Colours:
    """How many pixels have each colour."""
    colours = image.getcolors(maxcolors=image.width * image.height)
    assert colours is not None
    return Counter({colour: count for count, colour in colours})


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> SampleLoop:
    return SampleLoop(tmp_path_factory.mktemp("store")).whole()


@pytest.fixture(scope="module")
def browser(
    needs_chromium: str, loop: SampleLoop, tmp_path_factory: pytest.TempPathFactory
) -> Browser:
    files = report(loop.config, loop.store, loop.ledger, "hash", loop.images, "SUCCEEDED")
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "report.html"
    page.write_bytes(loop.store.read(files.html))
    return Browser(needs_chromium, folder, page)


@pytest.fixture(scope="module")
def colours(browser: Browser) -> Colours:
    image = browser.screenshot()
    assert image.size == WINDOW
    return count_colours(image)


@pytest.fixture
def hue(loop: SampleLoop) -> Callable[[str], tuple[int, int, int]]:
    """The value of a colour of the page's style, by name and scheme."""
    files = report(loop.config, loop.store, loop.ledger, "hash", loop.images, "SUCCEEDED")
    light, dark = loop.store.read(files.html).decode().split("prefers-color-scheme: dark")

    def find(name: str, *, in_dark: bool = False) -> tuple[int, int, int]:
        digits = (dark if in_dark else light).split(f"--{name}: #", 1)[1][:6]
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue

    return find


def test_the_browser_builds_the_page_that_was_written(browser: Browser) -> None:
    dom = browser.run("--dump-dom")
    assert "<title>judgeloop: sample</title>" in dom
    assert ">Version 3 was promoted to champion.</h1>" in dom
    for heading in ("How good is the judge?", "From questions to training examples"):
        assert f"<h2>{heading}</h2>" in dom
    assert dom.count("<svg") == dom.count("<figcaption>") > 0  # a chart in each figure
    shown = 2 * ReportSection().gallery  # right and wrong ones
    assert dom.count('<img src="data:image/png;base64,') == shown
    assert "<script" not in dom
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in dom


def test_thumbnails_are_painted_enlarged_by_a_whole_factor(
    loop: SampleLoop, colours: Colours
) -> None:
    painted = 0
    for key in loop.store.list("images"):
        original = count_colours(loop.images.open(key.rsplit("/", 1)[1]))
        shape = [colour for colour, count in original.items() if count < 1000]
        assert shape  # what is drawn on the paper, each colour in this picture only
        painted += all(colours[colour] >= 16 * original[colour] for colour in shape)
    assert painted >= 6


def test_charts_are_painted_in_the_colours_of_the_page(
    colours: Colours, hue: Callable[..., tuple[int, int, int]]
) -> None:
    for name in ("hue-1", "hue-2", "hue-3", "hue-4"):
        assert colours[hue(name)] > 100, name


def test_a_dark_desktop_gets_a_dark_page(
    browser: Browser, hue: Callable[..., tuple[int, int, int]]
) -> None:
    image = browser.screenshot("--blink-settings=preferredColorScheme=0")
    colours = count_colours(image)
    assert image.getpixel((2, 2)) == hue("paper", in_dark=True)
    assert colours[hue("hue-2", in_dark=True)] > 100


def test_the_page_asks_the_network_for_nothing(browser: Browser) -> None:
    planted = browser.folder / "planted.html"
    planted.write_text(f'<img src="{PLANTED}">')
    assert requests(browser, planted) == {PLANTED}  # the log does show what a page asks for
    assert requests(browser, browser.page) == set()


def test_the_policy_of_the_page_stops_what_would_slip_in(browser: Browser) -> None:
    planted = browser.folder / "slipped.html"
    html = browser.page.read_text().replace("</h1>", f'</h1><img src="{PLANTED}">', 1)
    planted.write_text(html)
    assert PLANTED in browser.run("--dump-dom", page=planted)
    assert requests(browser, planted) == set()


def requests(browser: Browser, page: Path) -> set[str]:
    """The addresses that a page, and not Chromium itself, asked the network for."""
    log = browser.folder / "network.json"
    browser.run(f"--log-net-log={log}", "--dump-dom", page=page)
    found = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return {event["url"] for event in found if event.get("initiator", BROWSER) != BROWSER}
