"""(e) From opening the desk's page to the registered phone, each time in a browser that was never there."""

from collections.abc import Iterator
from contextlib import closing

from playwright.sync_api import Browser, sync_playwright

from hotline import demo
from tests.hotline.city import City

AGENTS = ("agent1", "agent2")
LIMIT_MS = 60_000

# The page's own clock, which begins with its navigation, when the strip first says that the phone is there.
WATCH = """addEventListener("DOMContentLoaded", () => {
  const now = document.querySelector("[data-now]");
  new MutationObserver(() => {
    if (now.dataset.state === "off") window.registered ??= performance.now();
  }).observe(now, { attributeFilter: ["data-state"] });
})"""


def measure(city: City, logins: int) -> list[float]:
    """Milliseconds, one a log-in. The log-in itself is not in it: hashing a password is slow by design."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--use-fake-ui-for-media-stream", "--no-sandbox"]
        )
        with closing(browser):
            return list(_logins(browser, f"http://127.0.0.1:{city.ports['WEB_PORT']}", logins))


def _logins(browser: Browser, base: str, logins: int) -> Iterator[float]:
    for n in range(logins):
        with closing(browser.new_context(locale="zh-CN")) as context:
            form: dict[str, str | float | bool] = {
                "name": AGENTS[n % len(AGENTS)],
                "password": demo.DEMO_PASSWORD,
            }
            answer = context.request.post(
                f"{base}/login?next=/me", form=form, headers={"Origin": base}, max_redirects=0
            )
            assert answer.status == 303, f"log-in: {answer.status}"
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(f"{base}/desk")
            page.wait_for_function("() => window.registered", timeout=LIMIT_MS)
            yield float(page.evaluate("window.registered"))
