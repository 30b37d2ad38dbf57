"""Files of a ticket: sent from its page, sealed as they come, and given back as downloads only."""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.people import names_of
from cases import attachments
from cases.attachments import MOST_BYTES, MOST_FILES
from cases.errors import Refused as Faulty
from cases.media import ENDINGS, Sniffer, safe_name, taken
from cases.permissions import Action
from cases.visible import reaches
from storage.files import FileFault, Written, writing
from storage.tables import Ticket
from storage.viewer import Viewer
from web import ranges
from web.answers import SOUND_OR_FILE, file_of
from web.faults import Refused
from web.login import needs, services
from web.uploads import Upload

AT_ONCE = 8  # each holds a thread for as long as it takes
ACCEPTED = ",".join(f".{ending}" for endings in ENDINGS.values() for ending in endings)
FORM_BYTES = 8 * 1024  # of a form beside its file

log = structlog.get_logger()
router = APIRouter()
_places = BoundedSemaphore(AT_ONCE)


@router.post("/tickets/{number}/attachments")
def attach(
    request: Request, number: str, who: Annotated[Viewer, Depends(needs(Action.WRITE_TICKETS))]
) -> Response:
    """Take one file (form field `file`). Refusals are notices: the page, and the file chosen on it, stay."""
    upload = Upload(request, MOST_BYTES + FORM_BYTES)
    if not _places.acquire(blocking=False):
        raise Refused("attachments.busy", status=503)
    try:
        with services(request).database.session() as session:
            attachments.may_attach(session, who, number)
        _take_in(request, number, who, upload)
    except Faulty as fault:
        upload.drain()
        raise Refused(f"attachments.{fault.faults['file']}", field="file", most=MOST_FILES) from fault
    except Refused:
        upload.drain()
        raise
    finally:
        _places.release()
    return RedirectResponse(f"/tickets/{number}", status_code=303)


def _take_in(request: Request, number: str, who: Viewer, upload: Upload) -> None:
    folder, now = _folder(request), datetime.now(UTC)
    path = f"{now:%Y/%m}/{secrets.token_hex(16)}"
    target = folder / path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written, kind = _seal(upload, target, attachments.file_context(path))
    try:
        name = safe_name(upload.name)
        media_type = taken(kind, name)
        with services(request).database.session() as session:
            attachments.attach(
                session, who, number, name=name, media_type=media_type, path=path, written=written, at=now
            )
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _seal(upload: Upload, target: Path, context: str) -> tuple[Written, str | None]:
    sniffer, size = Sniffer(), 0
    with writing(target, context) as out:
        for piece in upload.pieces():
            size += len(piece)
            if size > MOST_BYTES:
                raise Refused("attachments.too_big", status=413, size=MOST_BYTES >> 20)
            sniffer.feed(piece)
            out.write(piece)
        if not size:
            raise Refused("attachments.empty", field="file")
    return out.done, sniffer.kind()


@router.get("/attachments/{attachment_id}", responses=file_of("The file", "*/*") | SOUND_OR_FILE)
def download(
    request: Request, attachment_id: int, who: Annotated[Viewer, Depends(needs(Action.SEE_TICKETS))]
) -> Response:
    """A file to save, journalled before a byte goes out; no browser is to show it as a page of ours."""
    folder = _folder(request)
    with services(request).database.session() as session:
        attachment = attachments.fetch(session, who, attachment_id)
    try:
        content = attachments.content(folder, attachment)
    except (FileFault, FileNotFoundError) as fault:
        log.error("attachment damaged", attachment=attachment_id, fault=str(fault))
        raise Refused("attachments.file_gone", status=410, number=attachment_id) from fault
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(attachment.name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return ranges.answer(request, content, attachment.media_type, f'"{attachment.sha256}"', headers)


def shown(session: Session, who: Viewer, ticket: Ticket) -> dict[str, Any]:
    """What a ticket's page says of its files."""
    files = attachments.attachments_of(session, ticket)
    return {
        "files": files,
        "names": names_of(session, {file.by_id for file in files}),
        "may_add": reaches(session, who, Action.WRITE_TICKETS, ticket) and len(files) < MOST_FILES,
        "accepted": ACCEPTED,
        "size": MOST_BYTES >> 20,
        "most": MOST_FILES,
    }


def _folder(request: Request) -> Path:
    folder = services(request).attachments
    if folder is None:
        raise Refused("attachments.nowhere", status=503)
    return folder
