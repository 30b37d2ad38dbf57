"""Alarms as they are kept: which are raised, since when, with which figures. Judged by hotline/alarms.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.notify import notify
from storage.tables import Alarm

Figure = int | float | str


@dataclass(frozen=True, slots=True)
class Raised:
    """`detail` holds figures for the words of the alarm; never a caller's data."""

    name: str
    at: datetime
    detail: dict[str, Figure]


def raised(session: Session) -> list[Raised]:
    """What is wrong now, oldest first."""
    rows = session.scalars(select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.raised_at))
    return [Raised(row.name, row.raised_at, row.detail) for row in rows]


def settle(session: Session, wrong: Mapping[str, Raised], now: datetime) -> None:
    """Make it so that exactly these are raised: new ones begin, others end, figures are renewed."""
    before = {row.name: row for row in session.scalars(select(Alarm).where(Alarm.cleared_at.is_(None)))}
    over = before.keys() - wrong.keys()
    session.execute(
        update(Alarm).where(Alarm.name.in_(over), Alarm.cleared_at.is_(None)).values(cleared_at=now)
    )
    for name, each in wrong.items():
        if name not in before:
            session.add(Alarm(name=name, detail=each.detail, raised_at=each.at))
        elif before[name].detail != each.detail:
            before[name].detail = each.detail
    if over or wrong.keys() - before.keys():
        notify(session, "board", "alarm")
