"""The complete hotline comes up by itself, takes calls from the trunk, and leaves nothing behind."""

import urllib.request

import psutil
import pytest

from tests.real.asterisk_lab import LINE, TRUNK
from tests.real.phone import Phone, answered
from tests.real.waiting import until
from tests.real.whole import Whole

pytestmark = pytest.mark.real


def test_who_presses_right_or_wrong_or_nothing_at_all_reaches_the_queue_of_a_hotline_that_brought_itself_up(
    whole: Whole,
) -> None:
    with urllib.request.urlopen(f"{whole.url}/login") as page:
        assert page.status == 200
    callers = [Phone(("127.0.0.1", whole.sip_port), hz=1000, address=TRUNK) for _ in "123"]
    silent, wrong, right = (answered(caller.dial(LINE, "13812345678")) for caller in callers)
    until(lambda: len(right.media.last(1.0)) > 4000, "the notice")
    right.media.press("0")
    until(lambda: len(whole.in_queue()) == 1, "who pressed right in the queue", 60)

    def all_wait() -> bool:
        if wrong.media.pressed:
            wrong.media.press("7")
        return len(whole.in_queue()) == 3

    until(all_wait, "all three in the queue", 90)
    for leg in (silent, wrong, right):
        leg.hang_up()
    for caller in callers:
        caller.close()
    whole.assert_nothing_left()
    checked = whole.run("check")
    assert checked.returncode == 0, checked.stdout
    whole.assert_clean_log()
    family = [psutil.Process(whole.process.pid), *psutil.Process(whole.process.pid).children(recursive=True)]
    whole.stop()
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert whole.server.pid is None
