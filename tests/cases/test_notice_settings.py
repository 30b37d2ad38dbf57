"""By which further ways somebody wants to hear, and what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from cases import notice_settings
from cases.errors import Refused
from storage.notices import NoticeSetting, Receipt
from tests.cases.conftest import NOW
from tests.cases.test_notices import Office, office

__all__ = ["office"]

WAYS = notice_settings.Ways(("email", "sms", "webhook"), ("qyapi.weixin.qq.com", "127.0.0.1:8080"))
FORM = notice_settings.Form(address="a@example.cn", days=("1", "5"))


@pytest.mark.parametrize(
    ("channel", "typed", "fault"),
    [
        ("email", "a@example.cn", None),
        ("email", "a@example", "email"),
        ("email", "a@example.cn\nBcc: b@example.cn", "email"),
        ("email", "", "required"),
        ("sms", "138 1234 5678", None),
        ("sms", "0816-2223344", "mobile"),
        ("webhook", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1", None),
        ("webhook", "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1", "webhook"),
        ("webhook", "https://example.com/send", "webhook"),
        ("webhook", "https://qyapi.weixin.qq.com@example.com/send", "webhook"),
        ("webhook", "http://127.0.0.1:8080/hook", None),
        ("webhook", "http://127.0.0.1:5432/hook", "webhook"),
        ("webhook", "file:///etc/passwd", "webhook"),
    ],
)
def test_an_address_that_cannot_be_is_refused(
    office: Office, channel: str, typed: str, fault: str | None
) -> None:
    with office.database.session() as session:
        clerk = office.viewer(session, "clerk")
        form = replace(FORM, address=typed)
        if fault is None:
            notice_settings.save(session, clerk, channel, form, WAYS, office.policy, NOW)
            assert notice_settings.mine(session, clerk)[channel].days == "15"
            return
        with pytest.raises(Refused) as refused:
            notice_settings.save(session, clerk, channel, form, WAYS, office.policy, NOW)
        assert refused.value.faults == {"address": fault}


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"from_": "8"}, {"from_": "clock"}),
        ({"days": ()}, {"days": "day"}),
        ({"digest": "yearly"}, {"digest": "unknown"}),
        ({"kinds": ("gossip",)}, {"kinds": "unknown"}),
    ],
)
def test_hours_days_and_kinds_are_checked(
    office: Office, change: dict[str, str], faults: dict[str, str]
) -> None:
    with office.database.session() as session:
        form = replace(FORM, **change)  # type: ignore[arg-type]
        with pytest.raises(Refused) as refused:
            notice_settings.save(
                session, office.viewer(session, "clerk"), "email", form, WAYS, office.policy, NOW
            )
        assert refused.value.faults == faults


def test_a_stored_secret_stays_when_none_is_typed(office: Office) -> None:
    with office.database.session() as session:
        clerk = office.viewer(session, "clerk")
        notice_settings.save(session, clerk, "email", replace(FORM, secret="SEC1"), WAYS, office.policy, NOW)
        notice_settings.save(session, clerk, "email", FORM, WAYS, office.policy, NOW)
        assert notice_settings.mine(session, clerk)["email"].secret == "SEC1"


def test_a_test_message_goes_by_her_own_way_and_not_twice_in_a_minute(office: Office) -> None:
    with office.database.session() as session:
        for channel, address in (("email", "a@example.cn"), ("webhook", "https://example.cn/1")):
            session.add(NoticeSetting(person_id=office.ids["clerk"], channel=channel, address=address))
    with office.database.session() as session:
        clerk = office.viewer(session, "clerk")
        notice_settings.test(session, clerk, "email", NOW)
        with pytest.raises(Refused):
            notice_settings.test(session, clerk, "email", NOW)
        with pytest.raises(Refused):
            notice_settings.test(session, clerk, "sms", NOW + timedelta(minutes=2))
        notice_settings.test(session, clerk, "webhook", NOW)  # another way has a minute of its own
        assert session.scalars(select(Receipt.due_at)).all() == [NOW, NOW]
