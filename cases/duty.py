"""What an agent wants to be, what the telephony sees of her, and the one word that results."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cases import journal, lab
from cases.errors import NotAllowed, Refused
from cases.permissions import Action, may, rule
from storage.notify import notify
from storage.staff import Person, PersonDuty
from storage.viewer import Role, Viewer


class Wanted(StrEnum):
    OFF = "off"
    READY = "ready"
    PAUSED = "paused"


class Live(StrEnum):
    AWAY = "away"  # no phone registered, or not a member of a queue
    IDLE = "idle"
    RINGING = "ringing"
    TALKING = "talking"
    WRAPUP = "wrapup"
    PAUSED = "paused"


class Shown(StrEnum):
    """What colleagues and boards are told."""

    OFF = "off"
    READY = "ready"
    JOINING = "joining"  # wants to be ready, the telephony has not caught up
    UNREACHABLE = "unreachable"  # wants to be ready, her phone is gone
    RINGING = "ringing"
    TALKING = "talking"
    WRAPUP = "wrapup"
    PAUSED = "paused"


_AT_WORK = {Live.RINGING: Shown.RINGING, Live.TALKING: Shown.TALKING, Live.WRAPUP: Shown.WRAPUP}

SHOWN: dict[Wanted, dict[Live, Shown]] = {
    Wanted.OFF: {Live.AWAY: Shown.OFF, Live.IDLE: Shown.OFF, Live.PAUSED: Shown.OFF, **_AT_WORK},
    Wanted.READY: {
        Live.AWAY: Shown.UNREACHABLE,
        Live.IDLE: Shown.READY,
        Live.PAUSED: Shown.JOINING,
        **_AT_WORK,
    },
    Wanted.PAUSED: {Live.AWAY: Shown.PAUSED, Live.IDLE: Shown.PAUSED, Live.PAUSED: Shown.PAUSED, **_AT_WORK},
}


@dataclass(frozen=True, slots=True)
class Duty:
    """One agent's line on the board."""

    person_id: int
    name: str
    role: Role
    extension: str
    wanted: Wanted
    wanted_reason: str
    wanted_at: datetime
    live: Live
    live_at: datetime
    live_call_id: str | None

    @property
    def shown(self) -> Shown:
        return SHOWN[self.wanted][self.live]


def set_wanted(
    session: Session, viewer: Viewer | None, person_id: int, wanted: str, reason: str = ""
) -> Duty:
    """Go on or off duty, or pause with a reason; `viewer` None: the system does it (no_answer, phone_lost).

    Raises Refused, and NotAllowed for somebody else's duty.
    """
    if wanted not in set(Wanted):
        raise Refused({"wanted": "unknown"})
    if (wanted == Wanted.PAUSED) != bool(reason):
        raise Refused({"reason": "required" if wanted == Wanted.PAUSED else "unknown"})
    _may_set(viewer, person_id)
    before = session.scalar(select(PersonDuty).where(PersonDuty.person_id == person_id).with_for_update())
    if before is None:
        before = PersonDuty(person_id=person_id)
        session.add(before)
        session.flush()
        session.refresh(before)
    if (before.wanted, before.wanted_reason) != (wanted, reason):
        journal.append(
            session,
            viewer,
            f"duty.{wanted}",
            "person",
            person_id,
            rule=_rule(viewer, person_id),
            reason=reason,
            was=before.wanted,
        )
        before.wanted, before.wanted_reason, before.wanted_at = wanted, reason, func.now()
        session.flush()
        _tell(session, person_id)
    return duty_of(session, person_id)


def set_live(session: Session, person_id: int, live: str, call_id: str | None = None) -> None:
    """What the telephony sees now; redrawn at will, so it is not journalled."""
    row = insert(PersonDuty).values(person_id=person_id, live=Live(live).value, live_call_id=call_id)
    changed = session.execute(
        row.on_conflict_do_update(
            index_elements=[PersonDuty.person_id],
            set_={"live": row.excluded.live, "live_call_id": call_id, "live_at": func.now()},
            where=(PersonDuty.live != row.excluded.live) | PersonDuty.live_call_id.is_distinct_from(call_id),
        ).returning(PersonDuty.person_id)
    ).first()
    if changed:
        _tell(session, person_id)


def duty_of(session: Session, person_id: int) -> Duty:
    """One person's duty."""
    return next(duty for duty in _duties(session, person_id))


def duties(session: Session) -> list[Duty]:
    """Everybody who takes calls, by extension."""
    return _duties(session, None)


def _duties(session: Session, person_id: int | None) -> list[Duty]:
    query = (
        select(Person, PersonDuty)
        .join(PersonDuty, PersonDuty.person_id == Person.id)
        .order_by(Person.extension)
        .execution_options(populate_existing=True)
    )
    query = (
        query.where(Person.id == person_id)
        if person_id is not None
        else query.where(Person.active, Person.endpoint.is_not(None), lab.real_person())
    )
    return [
        Duty(
            person_id=person.id,
            name=person.name,
            role=Role(person.role),
            extension=person.extension or "",
            wanted=Wanted(row.wanted),
            wanted_reason=row.wanted_reason,
            wanted_at=row.wanted_at,
            live=Live(row.live),
            live_at=row.live_at,
            live_call_id=row.live_call_id,
        )
        for person, row in session.execute(query)
    ]


def _may_set(viewer: Viewer | None, person_id: int) -> None:
    if viewer is None or may(viewer, Action.MANAGE_DUTY):
        return
    if viewer.person_id != person_id or not may(viewer, Action.TAKE_CALLS):
        raise NotAllowed("only a shift leader changes somebody else's duty")


def _rule(viewer: Viewer | None, person_id: int) -> str:
    if viewer is None:
        return ""
    return rule(viewer, Action.TAKE_CALLS if viewer.person_id == person_id else Action.MANAGE_DUTY)


def _tell(session: Session, person_id: int) -> None:
    notify(session, "board", "duty", person_id=person_id)
    notify(session, f"person:{person_id}", "duty", person_id=person_id)
