"""What the clock does in which order, and what it says when it cannot. The whole of it: tests/real/."""

from typing import cast

import pytest
from structlog.testing import capture_logs

from hotline.clock import Records, Sweep
from hotline.ground import GroundError
from storage.database import Database, DatabaseAway
from telephony.ami import AmiLink
from telephony.cel import CelReader


class Quiet:
    """A link that tells nothing."""

    def subscribe(self, _callback: object) -> None: ...

    def on_snapshot(self, _callback: object) -> None: ...


class Reader:
    def __init__(self, did: list[str]) -> None:
        self._did = did

    def read(self) -> None:
        self._did.append("events")


@pytest.mark.parametrize("away", [False, True])
def test_the_spool_goes_before_the_channel_events_and_holds_them_up_while_it_cannot(away: bool) -> None:
    did: list[str] = []

    def import_spool() -> None:
        did.append("spool")
        if away:
            raise DatabaseAway("no answer")

    link, reader = cast(AmiLink, Quiet()), cast(CelReader, Reader(did))
    sweep = Sweep("call records", 1, Records(link, import_spool, reader, cast(Database, None)).sweep)
    with capture_logs() as logs:
        sweep.run()
        sweep.run()
    assert did == (["spool"] * 2 if away else ["spool", "events"] * 2)
    assert [entry["event"] for entry in logs] == (["sweep_hindered"] if away else [])


def test_a_disk_that_fills_up_is_told_once_with_the_remedy_and_again_when_it_comes_back() -> None:
    room = iter([False, False, True, False])

    def look() -> None:
        if not next(room):
            raise GroundError("only 10 MiB free: make room")

    sweep = Sweep("disk", 30, look)
    with capture_logs() as logs:
        for _ in range(4):
            sweep.run()
    assert [(entry["event"], entry["why"]) for entry in logs] == [
        ("sweep_hindered", "only 10 MiB free: make room")
    ] * 2
