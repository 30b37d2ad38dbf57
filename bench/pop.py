"""(c) From the agent's INVITE to the caller's record painted, in a real browser on the whole hotline."""

import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, expect, sync_playwright

from bench.callers import BenchError, Callers, prompt_seconds
from bench.house import House
from bench.relay import Relay
from hotline import demo
from hotline.settings import CHECKOUT
from tests.hotline.city import City

AGENT = "agent1"
RATE = 1.0
RING_SECONDS = 0.6  # the caller hangs up then: nobody answers
AREA_CODE = "0816"
MOST_ENTRIES = 100_000  # of the browser's timeline, which keeps 250 otherwise

# The page's clock against the system's, which shows whole milliseconds only: the mean of many looks.
CLOCK_OFFSET = """() => {
  let sum = 0;
  for (let i = 0; i < 2000; i++) sum += Date.now() + 0.5 - performance.now();
  return sum / 2000;
}"""
MARKS = "(name) => performance.getEntriesByName(name).map((mark) => [mark.detail, mark.startTime])"
FETCHES = """() => performance.getEntriesByType("resource").filter((one) => one.name.includes("offer="))
  .map((one) => [decodeURIComponent(new URL(one.name).pathname.split("/").pop()), one.duration])"""


@dataclass(frozen=True, slots=True)
class Pops:
    """Milliseconds, in order of ringing. `unpainted`: rings whose record was not on the screen in time."""

    painted: list[float]  # from Asterisk's INVITE
    heard: list[float]  # from there to the phone's script
    fetched: list[float]  # the record's way from the server
    unpainted: int

    def at(self, share: float) -> float:
        """The time within which this share of all rings was painted."""
        return percentile([*self.painted, *[float("inf")] * self.unpainted], share)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def measure(house: House, city: City, rings: int) -> Pops:
    relay = Relay(city.ports["ASTERISK_HTTP_PORT"])
    try:
        with _desk(city, relay) as page:
            stay = prompt_seconds(house, "connecting") + RING_SECONDS
            callers = Callers(house, rings, RATE, stay, _numbers(rings)).start()
            while callers.running():
                page.wait_for_timeout(500)
            callers.wait()
            page.wait_for_timeout(1000)
            return _pops(page, relay)
    finally:
        relay.close()


def _pops(page: Page, relay: Relay) -> Pops:
    offset_ms = float(page.evaluate(CLOCK_OFFSET))
    if abs(time.time() * 1000 - offset_ms - page.evaluate("performance.now()")) > 1000:
        raise BenchError("the browser's clock is not this machine's")
    heard, painted = (dict(page.evaluate(MARKS, name)) for name in ("invite", "pop-painted"))
    fetched = dict(page.evaluate(FETCHES))
    sent = {call: at * 1000 - offset_ms for call, at in relay.invited.items()}
    shown = [call for call in sent if call in painted and call in heard]
    return Pops(
        painted=[painted[call] - sent[call] for call in shown],
        heard=[heard[call] - sent[call] for call in shown],
        fetched=[fetched[call] for call in shown if call in fetched],
        unpainted=len(sent) - len(shown),
    )


@contextmanager
def _desk(city: City, relay: Relay) -> Iterator[Page]:
    """The agent's desk, ready for calls, its phone behind the relay."""
    base = f"http://127.0.0.1:{city.ports['WEB_PORT']}"
    asterisk = f"127.0.0.1:{city.ports['ASTERISK_HTTP_PORT']}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
                "--no-sandbox",
                f"--host-resolver-rules=MAP {asterisk} 127.0.0.1:{relay.port}",
            ],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="zh-CN")
        page.add_init_script(f"performance.setResourceTimingBufferSize({MOST_ENTRIES})")
        page.goto(f"{base}/login?next=/desk")
        page.fill("[name=name]", AGENT)
        page.fill("[name=password]", demo.DEMO_PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_url("**/desk")
        state = page.locator("[data-says=state]")
        expect(state).to_have_text("未上岗", timeout=30_000)
        page.keyboard.press("r")
        expect(state).to_have_text("就绪，等候来电", timeout=30_000)
        yield page
        browser.close()


def _numbers(count: int) -> list[str]:
    """Callers with a history and strangers, in turn."""
    plan = tomllib.loads((CHECKOUT / "hotline/demo.toml").read_text(encoding="utf-8"))
    known = [caller["number"].format(area=AREA_CODE) for caller in plan["callers"]]
    return [known[n // 2 % len(known)] if n % 2 else f"136{n:08d}" for n in range(count)]
