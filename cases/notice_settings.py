"""By which ways, and when, somebody wants to learn of her work: hers alone to say."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import Refused
from cases.notices import GROUPS, TEST, owe
from routing.numbers import normalise
from routing.policy import Policy
from storage.notices import Notice, NoticeSetting, Receipt
from storage.notify import notify
from storage.viewer import Viewer

TESTS_APART = timedelta(minutes=1)
LONGEST = 500
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


@dataclass(frozen=True, slots=True)
class Ways:
    """What the operator has set up: channels, and the hosts that webhooks may go to."""

    channels: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """As typed."""

    address: str = ""
    secret: str = ""
    from_: str = "00:00"
    to: str = "00:00"
    days: tuple[str, ...] = ()
    digest: str = ""
    digest_at: str = "17:00"
    kinds: tuple[str, ...] = ()


def mine(session: Session, viewer: Viewer) -> dict[str, NoticeSetting]:
    """By channel."""
    rows = session.scalars(select(NoticeSetting).where(NoticeSetting.person_id == viewer.person_id))
    return {row.channel: row for row in rows}


def save(
    session: Session, viewer: Viewer, channel: str, form: Form, ways: Ways, policy: Policy, now: datetime
) -> None:
    """Raises Refused; an empty secret leaves the one there is."""
    address, faults = _address(channel, form.address.strip(), ways, policy)
    minutes = {name: _minutes(getattr(form, name)) for name in ("from_", "to", "digest_at")}
    faults |= {name: "clock" for name, minute in minutes.items() if minute is None}
    if not form.days or not set(form.days) <= set("1234567"):
        faults["days"] = "day"
    if form.digest not in ("", "hourly", "daily"):
        faults["digest"] = "unknown"
    if not set(form.kinds) <= set(GROUPS):
        faults["kinds"] = "unknown"
    if len(form.secret) > LONGEST:
        faults |= {"secret": "too_long"}
    if faults:
        raise Refused(faults)
    setting = mine(session, viewer).get(channel) or NoticeSetting(person_id=viewer.person_id, channel=channel)
    setting.address, setting.secret = address, form.secret.strip() or setting.secret or ""
    setting.from_minute, setting.to_minute = minutes["from_"] or 0, minutes["to"] or 0
    setting.digest, setting.digest_minute = form.digest, minutes["digest_at"] or 0
    setting.days, setting.kinds, setting.changed_at = "".join(sorted(form.days)), list(form.kinds), now
    session.add(setting)
    _note(session, viewer, channel)


def remove(session: Session, viewer: Viewer, channel: str) -> None:
    """No more by this way; what waits for it is dropped when its time comes."""
    session.execute(
        delete(NoticeSetting).where(
            NoticeSetting.person_id == viewer.person_id, NoticeSetting.channel == channel
        )
    )
    _note(session, viewer, channel)


def test(session: Session, viewer: Viewer, channel: str, now: datetime) -> None:
    """A notice by this way, at once. Raises Refused."""
    if channel not in mine(session, viewer):
        raise Refused({"channel": "unknown"})
    recent = Notice.kind == TEST, Notice.at > now - TESTS_APART, Notice.person_id == viewer.person_id
    by_it = select(Notice.id).join(Receipt, Receipt.notice_id == Notice.id).where(Receipt.channel == channel)
    if session.scalar(by_it.where(*recent).limit(1)) is not None:
        raise Refused({"channel": "often"})
    notice = Notice(person_id=viewer.person_id, kind=TEST, at=now)
    session.add(notice)
    session.flush()
    owe(session, notice, channel, now)
    notify(session, f"person:{viewer.person_id}", "notice")


def may_go_to(address: str, hosts: tuple[str, ...]) -> bool:
    """A webhook's address: of a host that the operator named, and by HTTPS unless it is this machine."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        plain = parts.scheme == "http" and _bare(host) in LOOPBACK
    except ValueError:
        return False
    listed = host.lower() in hosts or _bare(host) in hosts
    return "@" not in parts.netloc and (parts.scheme == "https" or plain) and listed


def _bare(host: str) -> str:
    """Without its port."""
    return re.sub(r":\d+$", "", host.lower())


def _address(channel: str, typed: str, ways: Ways, policy: Policy) -> tuple[str, dict[str, str]]:
    """The address as it is kept, and its fault."""
    if channel not in ways.channels:
        return "", {"channel": "unknown"}
    if not typed:
        return "", {"address": "required"}
    if len(typed) > LONGEST:
        return "", {"address": "too_long"}
    if channel == "sms":
        number = normalise(typed, policy.area_code)
        return number.number or "", {} if number.kind == "mobile" else {"address": "mobile"}
    if channel == "email":
        return typed, {} if _EMAIL.fullmatch(typed) else {"address": "email"}
    return typed, {} if may_go_to(typed, ways.hosts) else {"address": "webhook"}


def _minutes(clock: str) -> int | None:
    found = _CLOCK.fullmatch(clock.strip())
    return int(found[1]) * 60 + int(found[2]) if found else None


def _note(session: Session, viewer: Viewer, channel: str) -> None:
    journal.append(session, viewer, "person.notices_set", "person", viewer.person_id, channel=channel)
