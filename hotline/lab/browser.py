"""The lab's agent: a real browser at the real desk, with a tone for a voice."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hotline.lab import audio
from hotline.lab.sipp import LabFault

if TYPE_CHECKING:
    from playwright.sync_api import Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
VOICE_SECONDS = 12.0
PAGE_SECONDS = 30.0

# Each voice that arrives in the browser goes to an ear that tells its loudest tone and how loud that is.
EARS = """
  window.ears = [];
  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...words) {
      super(...words);
      this.addEventListener('track', ({ track }) => {
        const context = new AudioContext({ sampleRate: 16000 });
        const ear = context.createAnalyser();
        ear.fftSize = 4096;
        context.createMediaStreamSource(new MediaStream([track])).connect(ear);
        ears.push(() => {
          const bins = new Float32Array(ear.frequencyBinCount);
          ear.getFloatFrequencyData(bins);
          const loudest = bins.indexOf(Math.max(...bins));
          return { hz: loudest * 16000 / ear.fftSize, db: bins[loudest] };
        });
      });
    }
  };
"""
HEARS = "(tone) => { const { hz, db } = ears.at(-1)?.() ?? {}; return db > -45 && Math.abs(hz - tone) < 8; }"


class Desk:
    """A browser at the desk; `words` in faults are the strip's states (agents/phone/says.ts). To be left."""

    def __init__(self, folder: Path, base: str, hz: float) -> None:
        """Starts the browser. Raises LabFault when there is none to start."""
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError:
            raise LabFault("the browser's driver is not installed: run script/setup --lab") from None
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            raise LabFault("Chromium is not here: run script/setup --lab")
        voice = folder / "agent.wav"
        audio.write_wav(voice, audio.voice(hz, VOICE_SECONDS))
        self._base = base
        self._driver = sync_playwright().start()
        try:
            browser = self._driver.chromium.launch(
                executable_path=program,
                args=[
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={voice}",
                    "--autoplay-policy=no-user-gesture-required",
                    "--ignore-certificate-errors",  # whether others trust it, hotline check says
                    "--disable-gpu",  # a server has none, and another process would play one
                    "--no-sandbox",  # root has none; the one page opened is our own
                ],
            )
            context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
            context.set_default_timeout(PAGE_SECONDS * 1000)
            self._page: Page = context.new_page()
            self._page.add_init_script(EARS)
        except Error as why:
            self._driver.stop()
            raise LabFault(f"{program} does not start: {str(why).splitlines()[0]}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _what: BaseException | None, _where: TracebackType | None
    ) -> None:
        self._driver.stop()

    def log_in(self, login: str, password: str) -> bool:
        """Through the log-in page, to the desk."""
        from playwright.sync_api import Error

        page = self._page
        try:
            page.goto(f"{self._base}/login?next=/desk")
            page.fill("[name=name]", login)
            page.fill("[name=password]", password)
            page.click("button[type=submit]")
            page.wait_for_url("**/desk")
        except Error:
            return False
        return True

    def becomes(self, state: str, limit_seconds: float = 20.0) -> bool:
        """Until the phone's strip shows this state."""
        from playwright.sync_api import Error

        try:
            shown = f"[data-now][data-state={state}]"
            self._page.wait_for_selector(shown, state="attached", timeout=limit_seconds * 1000)
        except Error:
            return False
        return True

    @property
    def state(self) -> str:
        from playwright.sync_api import Error

        try:
            return self._page.get_attribute("[data-now]", "data-state", timeout=1000) or "nothing"
        except Error:
            return "nothing"

    def press(self, key: str) -> bool:
        """A key of the strip: answer, ready, off. False when it cannot be pressed."""
        from playwright.sync_api import Error

        act = "answer" if key == "answer" else f"duty][data-value={key}"
        try:
            self._page.click(f"[data-act={act}]")
        except Error:
            return False
        return True

    def hears(self, hz: float, limit_seconds: float = 10.0) -> bool:
        """Until the newest voice in the browser is this tone."""
        from playwright.sync_api import Error

        try:
            self._page.wait_for_function(HEARS, arg=hz, timeout=limit_seconds * 1000, polling=100)
        except Error:
            return False
        return True

    def close_call(self, call_id: str, reason: str) -> bool:
        """The call needs no ticket, as the desk's own form would say it."""
        answer = self._page.request.post(
            f"{self._base}/desk/calls/{call_id}/close",
            form={"reason": reason, "note": ""},
            headers={"Origin": self._base},
        )
        return bool(answer.ok)
