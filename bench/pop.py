"""(c) From the agent's INVITE to the caller's record painted, in a real browser on the whole hotline."""

import socket
import subprocess
import tempfile
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
from tests.hotline.city import City, wait_for
from tests.real.ports import free_port

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
# Notes when each record is put in place, and asks the browser to tell when it was on the screen.
WATCH = """(most) => {
  performance.setResourceTimingBufferSize(most);
  window.shown = [];
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) {
      if (!node.classList?.contains("work")) continue;
      performance.mark("pop-placed", { detail: node.dataset.call });
      node.querySelector(".record-number").setAttribute("elementtiming", node.dataset.call);
    }
  }).observe(document.querySelector("[data-works]"), { childList: true });
  new PerformanceObserver((seen) => {
    for (const { identifier, renderTime } of seen.getEntries()) window.shown.push([identifier, renderTime]);
  }).observe({ type: "element" });
}"""
MARKS = "(name) => performance.getEntriesByName(name).map((mark) => [mark.detail, mark.startTime])"
FETCHES = """() => performance.getEntriesByType("resource").filter((one) => one.name.includes("offer="))
  .map(({ name, requestStart, responseEnd }) =>
    [decodeURIComponent(new URL(name).pathname.split("/").pop()), requestStart, responseEnd])"""


@dataclass(frozen=True, slots=True)
class Ring:
    """When what happened, in milliseconds since Asterisk sent the INVITE."""

    heard: float  # by the phone's script
    asked: float  # the request for the record left
    come: float  # the record's last byte was there
    placed: float  # in the page
    painted: float  # the page's own work on the frame was done
    shown: float  # the browser's compositor had put the frame out; infinite if it never told


@dataclass(frozen=True, slots=True)
class Pops:
    """Rings in order of ringing. `unpainted`: those whose record was not on the screen in time."""

    rings: list[Ring]
    unpainted: int

    def at(self, share: float) -> float:
        """The time within which this share of all rings was painted."""
        return percentile([*(ring.painted for ring in self.rings), *[float("inf")] * self.unpainted], share)

    def steps(self) -> dict[str, list[float]]:
        """Milliseconds each step took, one list over all rings a step."""
        return {
            "INVITE to the phone's script": [ring.heard for ring in self.rings],
            "until the record is asked for": [ring.asked - ring.heard for ring in self.rings],
            "record from the server": [ring.come - ring.asked for ring in self.rings],
            "script": [ring.placed - ring.come for ring in self.rings],
            "paint": [ring.painted - ring.placed for ring in self.rings],
            "painted to on the screen": [ring.shown - ring.painted for ring in self.rings],
        }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of all do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def measure(house: House, city: City, rings: int) -> Pops:
    """Nothing watches the browser while it rings: a debugger would cost more than the page does."""
    relay = Relay(city.ports["ASTERISK_HTTP_PORT"])
    try:
        with _chromium(f"127.0.0.1:{city.ports['ASTERISK_HTTP_PORT']}", relay) as browser:
            with _page(browser) as page:
                _go_ready(page, f"http://127.0.0.1:{city.ports['WEB_PORT']}")
                page.evaluate(WATCH, MOST_ENTRIES)
            stay = prompt_seconds(house, "connecting") + RING_SECONDS
            Callers(house, rings, RATE, stay, _numbers(rings)).start().wait()
            time.sleep(1)
            with _page(browser) as page:
                return _pops(page, relay)
    finally:
        relay.close()


def _pops(page: Page, relay: Relay) -> Pops:
    offset_ms = float(page.evaluate(CLOCK_OFFSET))
    if abs(time.time() * 1000 - offset_ms - page.evaluate("performance.now()")) > 1000:
        raise BenchError("the browser's clock is not this machine's")
    heard, placed, painted = (
        dict(page.evaluate(MARKS, name)) for name in ("invite", "pop-placed", "pop-painted")
    )
    fetched = {call: (asked, come) for call, asked, come in page.evaluate(FETCHES)}
    shown = dict(page.evaluate("window.shown"))
    sent = {call: at * 1000 - offset_ms for call, at in relay.invited.items()}
    rings = [
        Ring(
            heard[call] - sent[call],
            fetched[call][0] - sent[call],
            fetched[call][1] - sent[call],
            placed[call] - sent[call],
            painted[call] - sent[call],
            shown.get(call, float("inf")) - sent[call],
        )
        for call in sent
        if call in heard and call in fetched and call in placed and call in painted
    ]
    return Pops(rings, unpainted=len(sent) - len(rings))


@contextmanager
def _chromium(asterisk: str, relay: Relay) -> Iterator[str]:
    """A browser of its own, as an agent has it; its debugger's address. Its phone goes through the relay."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hl-chromium-", ignore_cleanup_errors=True) as profile:
        argv = [
            *("/usr/bin/chromium", "--headless", "--no-sandbox", "--no-first-run", "--disable-sync"),
            *("--window-size=1280,863", "--lang=zh-CN", f"--user-data-dir={profile}"),  # the page: 1280 × 720
            *("--disable-component-update", "--disable-background-networking"),
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            f"--host-resolver-rules=MAP {asterisk} 127.0.0.1:{relay.port}",
            *(f"--remote-debugging-port={port}", "about:blank"),
        ]
        browser = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: _listens(port), "Chromium to start")
            yield f"http://127.0.0.1:{port}"
        finally:
            browser.terminate()
            browser.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _page(browser: str) -> Iterator[Page]:
    """The browser's page in our hands; let go, it stays as it is."""
    with sync_playwright() as playwright:
        attached = playwright.chromium.connect_over_cdp(browser)
        yield attached.contexts[0].pages[0]
        attached.close()


def _go_ready(page: Page, base: str) -> None:
    """The agent's desk, ready for calls."""
    page.goto(f"{base}/login?next=/desk")
    page.fill("[name=name]", AGENT)
    page.fill("[name=password]", demo.DEMO_PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/desk")
    state = page.locator("[data-says=state]")
    expect(state).to_have_text("未上岗", timeout=30_000)
    page.keyboard.press("r")
    expect(state).to_have_text("就绪，等候来电", timeout=30_000)


def _numbers(count: int) -> list[str]:
    """Callers with a history and strangers, in turn."""
    plan = tomllib.loads((CHECKOUT / "hotline/demo.toml").read_text(encoding="utf-8"))
    known = [caller["number"].format(area=AREA_CODE) for caller in plan["callers"]]
    return [known[n // 2 % len(known)] if n % 2 else f"136{n:08d}" for n in range(count)]
