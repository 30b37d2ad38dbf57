"""The complete hotline comes up by itself, takes a call from the trunk, and leaves nothing behind."""

import urllib.request

import psutil
import pytest

from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.phone import Phone, answered
from tests.real.waiting import until
from tests.real.whole import Whole

pytestmark = pytest.mark.real


def test_a_call_reaches_the_queue_of_a_hotline_that_brought_itself_up(whole: Whole) -> None:
    with urllib.request.urlopen(f"{whole.url}/login") as page:
        assert page.status == 200
    caller = Phone(("127.0.0.1", whole.sip_port), hz=1000, address=TRUNK)
    leg = answered(caller.dial(LINE, "13812345678"))
    until(lambda: len(leg.media.last(1.0)) > 4000, "the notice")
    leg.media.press("0")
    until(lambda: len(whole.in_queue()) == 1, "the caller in the queue", 60)
    leg.hang_up()
    caller.close()
    whole.assert_nothing_left()
    whole.assert_clean_log()
    family = [psutil.Process(whole.process.pid), *psutil.Process(whole.process.pid).children(recursive=True)]
    whole.stop()
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert whole.server.pid is None
