"""A person's own notices: the list, the badge's count, what was seen. None that she may no more know of."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, literal, or_, select, update
from sqlalchemy.orm import Session

from cases.errors import NotVisible
from cases.notices import AFTER
from cases.visible import not_recused, visible_tickets
from storage.notices import Notice
from storage.notify import notify
from storage.staff import Unit
from storage.tables import Outbox, Ticket
from storage.viewer import Viewer
from storage.work import Rung, SubOrder

LISTED = 100


@dataclass(frozen=True, slots=True)
class Told:
    """`opens`: she may see the ticket; what it is hidden behind when it is sealed, the words know.

    `rung`: the level whose deadline it tells of. `unit`: whose share, or ''.
    """

    notice: Notice
    ticket: Ticket | None
    order: SubOrder | None
    opens: bool
    rung: Rung | None = None
    unit: str = ""


def knowable(viewer: Viewer) -> Select[Notice, bool]:
    """Her notices as (Notice, whether the ticket opens to her): those about no ticket, about what she may
    see, and the ends of what was hers."""
    seen = visible_tickets(viewer).with_only_columns(Ticket.id).subquery()
    was_hers = select(Ticket.id).where(Ticket.sealed.is_(False), not_recused(viewer)).subquery()
    return (
        select(Notice, seen.c.id.is_not(None))
        .outerjoin(seen, seen.c.id == Notice.ticket_id)
        .outerjoin(was_hers, (was_hers.c.id == Notice.ticket_id) & Notice.kind.in_(AFTER))
        .where(Notice.person_id == viewer.person_id)
        .where(or_(Notice.ticket_id.is_(None), seen.c.id.is_not(None), was_hers.c.id.is_not(None)))
    )


def mine(session: Session, viewer: Viewer, before: datetime | None = None) -> list[Told]:
    """Newest first; those of `before` and earlier."""
    query = knowable(viewer).order_by(Notice.at.desc(), Notice.id.desc()).limit(LISTED)
    rows = session.execute(query.where(Notice.at < before) if before else query).all()
    return [about(session, notice, opens=opens) for notice, opens in rows]


def about(session: Session, notice: Notice, *, opens: bool) -> Told:
    """A notice with what its words are made of."""
    ticket = session.get(Ticket, notice.ticket_id) if notice.ticket_id else None
    order = session.get(SubOrder, notice.order_id) if notice.order_id else None
    unit = session.get_one(Unit, order.unit_id).name if order else ""
    return Told(notice, ticket, order, opens and ticket is not None, _rung(session, notice), unit)


def _rung(session: Session, notice: Notice) -> Rung | None:
    """None, too, once the message that brought it is gone."""
    message = session.get(Outbox, notice.outbox_id) if notice.kind.startswith("rung.") else None
    return session.get(Rung, message.payload["rung_id"]) if message else None


def unseen(session: Session, viewer: Viewer) -> int:
    """For the badge."""
    query = knowable(viewer).where(Notice.seen_at.is_(None)).with_only_columns(literal(1)).subquery()
    return session.scalar(select(func.count()).select_from(query)) or 0


def see(session: Session, viewer: Viewer, notice_id: int, now: datetime) -> Told:
    """She opens it. Raises NotVisible."""
    row = session.execute(knowable(viewer).where(Notice.id == notice_id)).first()
    if row is None:
        raise NotVisible(f"no notice {notice_id}")
    told = about(session, row[0], opens=row[1])
    if told.notice.seen_at is None:
        told.notice.seen_at = now
        notify(session, f"person:{viewer.person_id}", "notice")
    return told


def see_all(session: Session, viewer: Viewer, now: datetime) -> None:
    """All that were told until now."""
    session.execute(
        update(Notice)
        .where(Notice.person_id == viewer.person_id, Notice.seen_at.is_(None), Notice.at <= now)
        .values(seen_at=now)
    )
    notify(session, f"person:{viewer.person_id}", "notice")
