"""The README, followed word by word by a newcomer in a clean home.

The commit is tested, as a newcomer clones it: what is not committed does not count. Her commands,
addresses and keys are read from the clone's README; a sentence that changes must be followed anew here.
Not clean, to spare the archives: what this machine has already fetched for pip, npm and from Debian.
`script/pictures` runs this with HOTLINE_PICTURES naming the folder that pictures of her way go to.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect, sync_playwright

from hotline.lab import audio
from hotline.settings import CHECKOUT, home_folder
from tests.hotline.city import City, Running
from tests.real.desk.city import Seat, launch
from tests.real.doors.city import Visitor
from tests.real.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SET_UP_SECONDS = 600
LAB_SECONDS = 300
GUEST_SIZE, TICKET_SIZE = ViewportSize(width=720, height=720), ViewportSize(width=1280, height=880)
LINKED = (
    ".cache/pip",
    ".config/pip",
    ".npm",
    ".npmrc",
)  # caches, and how this machine reaches its registries

BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
STEPS = (
    r"`(?P<run>.+)`, then open <(?P<desk>.+)>, log in as one of the agents it printed, "
    r"test microphone and speaker, press \*\*(?P<ready>\S+) .+\*\*\.",
    r"Open <(?P<call>.+)> in a second tab: the public page calls the hotline from the browser. "
    r"Press \*\*(?P<key>.)\*\*, at the menu or before it\.",
    r"The desk rings with the caller's record on the screen\. Answer, type the ticket, save, hang up: "
    r"within seconds the ticket plays the recording\.",
    r"Without a browser: a real SIP call, told step by step beside its record; "
    r"then a line for each part, whether it is in order\.",
)
SPEECH = "() => window.hears !== undefined && [...Array(20).keys()].some((n) => hears(100 * n + 150) > -60)"
PLAYS = """async () => {
  const player = document.querySelector("audio");
  await player.play();
  return player.duration;
}"""
MATTER = "厂区停水两天，影响生产，请尽快恢复。"


class Readme:
    """What it tells a newcomer to do. AssertionError when a step's words are not those that are followed."""

    def __init__(self, text: str) -> None:
        first_call = text.partition("## Your first call")[2].partition("\n## ")[0]
        steps = re.findall(r"^\d\. (.*?)$", first_call, re.MULTILINE)
        found = [re.fullmatch(pattern, step) for pattern, step in zip(STEPS, steps, strict=True)]
        assert all(found), [step for step, match in zip(steps, found, strict=True) if not match]
        self.told = {name: word for match in found if match for name, word in match.groupdict().items()}
        self.two_commands, self.lab = (
            [line.split("#")[0].split() for line in block.splitlines()] for block in BLOCK.findall(text)
        )


class Newcomer:
    """A clone, an empty home of her own, and the ports that are free on a machine that others use too."""

    def __init__(self, city: City, folder: Path) -> None:
        self.city, self.clone = city, folder / "hotline"
        self.processes: list[subprocess.Popen[str]] = []
        subprocess.run(["git", "clone", "--quiet", CHECKOUT, self.clone], check=True)
        self.readme = Readme((self.clone / "README.md").read_text(encoding="utf-8"))
        user = folder / "user"
        for name in LINKED:
            if (Path.home() / name).exists():
                (user / name).parent.mkdir(parents=True, exist_ok=True)
                (user / name).symlink_to(Path.home() / name)
        path = [each for each in os.environ["PATH"].split(":") if not Path(each).is_relative_to(CHECKOUT)]
        self.environment = city.environment | {"HOME": str(user), "PATH": ":".join(path)}
        # She has not forbidden Python to keep what it compiled, whatever this test's own process was told.
        for name in ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"):
            self.environment.pop(name, None)
        tools = city.home / "tools"
        tools.unlink()
        tools.mkdir()
        if (home_folder() / "tools/debs").exists():
            (tools / "debs").symlink_to(home_folder() / "tools/debs")

    def runs(self, command: str) -> Running:
        """Start what goes on until Ctrl-C, and wait until it is up."""
        running = Running(self._started(command.split()))
        until(
            lambda: "log in as" in running.said or running.process.poll() is not None,
            "the hotline to be up",
            SET_UP_SECONDS,
        )
        assert running.process.poll() is None, running.said
        return running

    def does(self, command: list[str]) -> str:
        """Run a command to its end, which must be a good one; what it said."""
        process = self._started(command)
        said, _ = process.communicate(timeout=LAB_SECONDS)
        assert process.returncode == 0, f"{command}: {said}"
        return said

    def _started(self, command: list[str]) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command,
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def address(self, told: str, said: str) -> str:
        """An address of the README, on the port that is ours; the hotline itself must have printed it."""
        parts = urlsplit(told)
        assert parts.port == 8080
        ours = f"{parts.scheme}://{parts.hostname}:{self.city.ports['WEB_PORT']}{parts.path}"
        assert ours in said.split()
        return ours

    def leave(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def newcomer(city: City, tmp_path: Path) -> Iterator[Newcomer]:
    newcomer = Newcomer(city, tmp_path)
    yield newcomer
    newcomer.leave()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[BrowserContext]:
    """One browser with a microphone, for both tabs."""
    voice = tmp_path / "voice.wav"
    audio.write_wav(voice, audio.voice(1250.0, 10.0))
    with sync_playwright() as playwright:
        browser = launch(playwright, voice)
        context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        yield context
        browser.close()


def test_the_readme_leads_a_newcomer_to_her_first_recorded_call(
    newcomer: Newcomer, browser: BrowserContext, tmp_path: Path
) -> None:
    pictures = Path(os.environ.get("HOTLINE_PICTURES", tmp_path))
    readme = newcomer.readme
    told = readme.told
    assert [told["run"]] == readme.two_commands[0]
    assert all(os.access(newcomer.clone / command, os.X_OK) for (command,) in readme.two_commands)
    running = newcomer.runs(told["run"])

    desk = newcomer.address(told["desk"], running.said)
    agent = logged_in(browser, desk, running.said)
    devices_tested(agent.page)
    agent.page.locator(".phone-duty").get_by_role("button", name=told["ready"]).click()
    agent.says("就绪，等候来电")

    newcomer.address(told["call"], running.said)
    guest = Visitor(browser, desk).dial()
    guest.page.set_viewport_size(GUEST_SIZE)
    guest.page.wait_for_function(SPEECH)
    guest.says("正在听语音提示")
    guest.page.screenshot(path=pictures / "call.png")
    guest.press(told["key"])
    guest.says("正在等候工作人员", 60)

    agent.rings()
    expect(agent.page.locator(".work .record-number")).to_have_text("网页来电")
    a_ticket_is_written(agent)
    the_ticket_plays_the_recording(agent.page)
    agent.page.set_viewport_size(TICKET_SIZE)
    agent.picture(pictures / "ticket.png")

    for command in readme.lab:
        newcomer.does(command)
    assert running.stop() == 0, running.said


def logged_in(browser: BrowserContext, desk: str, said: str) -> Seat:
    """With the first agent's log-in as it was printed."""
    printed = re.search(r"log in as (\S+) +(\S+) .*agent$", said, re.MULTILINE)
    assert printed, said
    login, password = printed.groups()
    seat = Seat(browser, desk, login)
    seat.page.goto(desk)
    seat.page.fill("[name=name]", login)
    seat.page.fill("[name=password]", password)
    seat.page.click("button[type=submit]")
    seat.says("未上岗")
    return seat


def devices_tested(page: Page) -> None:
    if not page.locator("[data-test=microphone]").is_visible():
        page.click(".devices summary")  # folded for an agent who has had calls today
    page.click("[data-test=microphone]")
    expect(page.locator("[data-says=microphone]")).to_have_text("听到了，麦克风正常。", timeout=20_000)
    page.click("[data-test=speaker]")
    expect(page.locator("[data-says=speaker]")).not_to_be_empty()


def a_ticket_is_written(agent: Seat) -> None:
    work = agent.page.locator(".work")
    agent.page.click("[data-act=answer]")
    agent.says("通话中")
    work.locator("[name=content]").fill(MATTER)
    work.locator("button[type=submit]").click()
    expect(work.locator("[data-says=result]")).to_contain_text("已保存")
    agent.page.click("[data-act=hangup]")
    agent.says("话后处理")


def the_ticket_plays_the_recording(page: Page) -> None:
    page.locator("[data-saved]").click()
    expect(page.locator("#main h1")).to_contain_text("厂区停水")

    def has_player() -> bool:
        page.reload()
        return page.locator("audio").count() == 1

    until(has_player, "the ticket to have its recording")
    assert page.evaluate(PLAYS) > 1
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0.5")
