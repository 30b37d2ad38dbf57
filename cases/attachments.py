"""Files of a ticket: papers and pictures that somebody sent. Whoever sees the ticket sees them."""

from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cases import journal
from cases.errors import NotVisible, Refused
from cases.permissions import Action, demand, rule
from cases.ticket_numbers import called
from cases.visible import visible_tickets
from storage.files import Plain, Sealed, Written, opened
from storage.tables import Attachment, Ticket
from storage.viewer import Viewer

MOST_BYTES = 20 * 1024 * 1024
MOST_FILES = 10  # a ticket


def file_context(path: str) -> str:
    """What an attachment's file is sealed as; its path is drawn at random and used once."""
    return f"attachment/{path}"


def may_attach(session: Session, viewer: Viewer, number: str) -> Ticket:
    """The ticket, if she may add a file and there is room. Raises NotAllowed, NotVisible, Refused."""
    demand(viewer, Action.WRITE_TICKETS)
    ticket = session.scalar(
        visible_tickets(viewer, Action.WRITE_TICKETS).where(called(number)).with_for_update()
    )
    if ticket is None:
        raise NotVisible(f"no ticket {number}")
    there = select(func.count()).select_from(Attachment).where(Attachment.ticket_id == ticket.id)
    if (session.scalar(there) or 0) >= MOST_FILES:
        raise Refused({"file": "many"})
    return ticket


def attach(
    session: Session,
    viewer: Viewer,
    number: str,
    *,
    name: str,
    media_type: str,
    path: str,
    written: Written,
    at: datetime,
) -> Attachment:
    """The file lies in its place; now it is the ticket's. Raises as `may_attach`."""
    ticket = may_attach(session, viewer, number)
    added = Attachment(
        ticket_id=ticket.id,
        name=name,
        media_type=media_type,
        path=path,
        size_bytes=written.size_bytes,
        sha256=written.sha256,
        key_id=written.key_id,
        by_id=viewer.person_id,
        at=at,
    )
    session.add(added)
    session.flush()
    by = rule(viewer, Action.WRITE_TICKETS, sealed=ticket.sealed)
    journal.append(session, viewer, "ticket.attached", "ticket", ticket.id, rule=by, attachment=added.id)
    return added


def attachments_of(session: Session, ticket: Ticket) -> list[Attachment]:
    """What a ticket has, oldest first; the caller has seen that the viewer sees the ticket."""
    mine = select(Attachment).where(Attachment.ticket_id == ticket.id)
    return list(session.scalars(mine.order_by(Attachment.at, Attachment.id)))


def fetch(session: Session, viewer: Viewer, attachment_id: int) -> Attachment:
    """One to download, which is journalled. Raises NotAllowed, NotVisible."""
    demand(viewer, Action.SEE_TICKETS)
    seen = visible_tickets(viewer).subquery()
    found = session.execute(
        select(Attachment, seen.c.sealed)
        .join(seen, seen.c.id == Attachment.ticket_id)
        .where(Attachment.id == attachment_id)
    ).one_or_none()
    if found is None:
        raise NotVisible(f"no attachment {attachment_id}")
    attachment: Attachment = found[0]
    by = rule(viewer, Action.SEE_TICKETS, sealed=found[1])
    ticket_id = attachment.ticket_id
    journal.append(
        session, viewer, "ticket.attachment_read", "ticket", ticket_id, rule=by, attachment=attachment_id
    )
    return attachment


def content(folder: Path, attachment: Attachment) -> Sealed | Plain:
    """Raises FileFault, OSError, VaultError."""
    return opened(folder / attachment.path, file_context(attachment.path), attachment.key_id)
