"""The lab's SIPp caller as tests use it: with a tone of her own, and assertions for findings."""

from pathlib import Path

from hotline.lab import sipp
from tests.real.waiting import until


class SippCall(sipp.SippCall):
    """One call from `address` to `number`. Made by `sipp_call`, which closes it."""

    def __init__(
        self, folder: Path, server: tuple[str, int], number: str, caller: str, hz: float, address: str
    ) -> None:
        super().__init__(folder, server, number, caller, address)
        self.media.say(hz)

    def answered(self, limit_seconds: float = 20.0) -> "SippCall":
        """Wait for the 200 OK; media flow from then on."""
        final = until(self.final, "an answer", limit_seconds)
        assert final
        assert final.status == 200, final.start
        return self

    def press(self, keys: str) -> None:
        """Send keys as RFC 4733 events and wait until they are out."""
        self.media.press(keys)
        until(lambda: self.media.pressed, f"the keys {keys} to be sent")
