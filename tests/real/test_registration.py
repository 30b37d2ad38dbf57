"""A trunk that registers: a second Asterisk is the carrier, with digest."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from telephony.config import Trunk
from tests.real.agi_stand_in import AgiStandIn
from tests.real.asterisk_lab import LINE, TRUNK, Lab, running_lab, short_folder
from tests.real.carrier import ACCOUNT, SECRET, Carrier
from tests.real.phone import Phone, answered
from tests.real.waiting import until
from tests.real.whole import running_whole

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
CALLER, AGENT, OUTSIDE = 1000, 1200, 1600


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    folder = short_folder()
    carrier = Carrier(folder, Lab(folder / "of-the-lab").binary)
    carrier.server.start()
    yield carrier
    carrier.server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lab(carrier: Carrier) -> Iterator[Lab]:
    with running_lab(trunk=Trunk.of("", carrier.register)) as lab:
        yield lab


def state(lab: Lab) -> str:
    told = lab.cli("pjsip show registrations")
    words = ("Unregistered", "Registered", "Rejected", "Stopped")
    return next((word for word in words if word in told.split()), told)


def test_calls_come_and_go_over_the_registered_trunk(
    lab: Lab, carrier: Carrier, routed: AgiStandIn, phone: Callable[..., Phone]
) -> None:
    until(lambda: state(lab) == "Registered", "the registration")
    agent, outside = phone(1, AGENT), carrier.subscriber(CALLER)
    leg = answered(outside.dial(LINE, "13812345678"))
    offer = agent.ring().answer()
    until(lambda: leg.media.hears(AGENT) and offer.media.hears(CALLER), "both to hear each other")

    assert offer.transfer("12345") == 202
    office = outside.ring()
    assert office.invite
    assert ACCOUNT in office.invite.headers["from"] or "13812345678" in office.invite.headers["from"]
    office.media.say(OUTSIDE)
    office.answer()
    until(lambda: leg.media.hears(OUTSIDE) and office.media.hears(CALLER), "caller and 12345")
    leg.hang_up()
    until(lambda: office.ended, "12345 to be released")
    outside.close()


def test_a_registrar_that_was_away_and_forgot_us_knows_us_again(lab: Lab, carrier: Carrier) -> None:
    until(lambda: carrier.knows_us, "the registration")
    carrier.lose_its_memory()
    assert not carrier.knows_us
    until(lambda: carrier.knows_us, "the registration again", 90)
    until(lambda: state(lab) == "Registered", "our own knowledge of it")


def test_a_wrong_password_is_tried_again_and_the_right_one_taken_up_without_a_restart(
    lab: Lab, carrier: Carrier
) -> None:
    lab.trunk = Trunk.of("", carrier.register.replace(SECRET, "a-wrong-secret"))
    lab.reload()
    until(lambda: state(lab) == "Rejected", "the refusal", 90)
    lab.trunk = Trunk.of("", carrier.register)
    lab.reload()
    until(lambda: state(lab) == "Registered", "the registration", 90)


def test_without_a_carrier_no_address_is_taken_for_one_and_asterisk_does_not_complain() -> None:
    with running_lab(trunk=Trunk()) as lab:
        stranger = Phone(("127.0.0.1", lab.sip_port), address=TRUNK)
        leg = stranger.dial(LINE)
        until(lambda: leg.ended, "the refusal")
        assert leg.code == 401
        stranger.close()
        lab.assert_clean_log()


def test_check_says_in_one_line_what_the_carrier_has_against_us(carrier: Carrier) -> None:
    def told() -> str:
        lines = whole.run("check").stdout.splitlines()
        return next((line for line in lines if line.split()[1:2] == ["trunk"]), "")

    def refused() -> str:
        line = told()
        return line if "refuses" in line else ""

    with running_whole(trunk_register=carrier.register.replace(SECRET, "wrong")) as whole:
        line = until(refused, "the refusal", 60)
        assert line.startswith("fault")
        assert "correct HOTLINE_TRUNK_REGISTER" in line
        assert "wrong" not in line
        whole.environment["HOTLINE_TRUNK_REGISTER"] = carrier.register
        assert whole.run("config", "--reload").returncode == 0
        until(lambda: told().startswith("ok"), "the registration", 90)
