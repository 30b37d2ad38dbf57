"""Enterprises: found, read as one record each, corrected, merged. Callers: agents/parties.py."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from agents.filters import ROWS
from agents.parties import (
    Filter,
    Id,
    Merger,
    Reader,
    Shower,
    Words,
    id_of,
    shown_history,
    shown_row,
    undoable_until,
    version_of,
)
from cases import correcting, merging, parties, personal
from cases.errors import Conflict
from cases.errors import Refused as Faulty
from cases.known import with_code
from cases.parties import EnterpriseRecord, EnterpriseRow
from cases.ticket_form import code_fault
from routing import uscc
from storage.viewer import Viewer
from web.faults import Refused
from web.login import services
from web.render import now, page

router = APIRouter()
FIELDS = (*correcting.ENTERPRISE_TEXTS, "scale", "industry")


@router.get("/enterprises")
def enterprises_page(request: Request, who: Reader, typed: Annotated[Filter, Depends()]) -> Response:
    """Enterprises, which was heard of last first; found by a whole number, name or code."""
    errors: dict[str, str] = {}
    rows: list[EnterpriseRow] = []
    search = typed.read(services(request).policy, errors)
    with services(request).database.session() as session:
        if not errors:
            rows = parties.find_enterprises(session, who, search)
        shown = [_row(row, full=False) for row in rows[:ROWS]]
    pages = typed.pages("/enterprises", len(rows))
    return page(
        request, "enterprises.html", 422 if errors else 200, typed=typed, errors=errors, rows=shown, **pages
    )


@router.get("/enterprises/{enterprise_id}")
def enterprise_page(request: Request, enterprise_id: Id, who: Reader) -> Response:
    """One enterprise: what it is, who calls for it, its tickets, which may be the same."""
    return one(request, enterprise_id, who)


@router.post("/enterprises/{enterprise_id}/full")
def enterprise_in_full(request: Request, enterprise_id: Id, who: Shower) -> Response:
    """The same page with names and numbers in full, this once; that she asked is journalled."""
    return one(request, enterprise_id, who, asked=True)


def one(
    request: Request,
    enterprise_id: int,
    who: Viewer,
    status: int = 200,
    *,
    asked: bool = False,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> Response:
    """An enterprise's page; `typed` and `faults`: of the form that merges another into it."""
    with services(request).database.session() as session:
        record = parties.read_enterprise(session, who, enterprise_id)
        if record.enterprise.id != enterprise_id:
            return RedirectResponse(f"/enterprises/{record.enterprise.id}", status_code=303)
        if asked:
            personal.show_record(session, who, record.enterprise)
        context = _shown(record, full=asked) | {
            "can_show": not asked and personal.may_show_record(who),
            "asked": asked,
            "undoable": undoable_until(session, "enterprise", enterprise_id),
        }
    return page(request, "enterprises_one.html", status, typed=typed or {}, faults=faults or {}, **context)


@router.get("/enterprises/{enterprise_id}/edit")
def edit_page(request: Request, enterprise_id: Id, who: Merger) -> Response:
    """The form over a record."""
    return _form(request, enterprise_id, who)


@router.post("/enterprises/{enterprise_id}")
def correct(request: Request, enterprise_id: Id, who: Merger, typed: Words) -> Response:
    """Puts the record right; faults and conflicts give the form back with every word still in it."""
    version = version_of(typed.get("version", ""))
    policy = services(request).policy
    try:
        with services(request).database.session() as session:
            kept = correcting.correct_enterprise(session, who, enterprise_id, typed, version, policy).id
    except Faulty as fault:
        return _form(request, enterprise_id, who, 422, typed, fault.faults)
    except Conflict as conflict:
        newest = {**typed, "version": conflict.theirs.version}
        return _form(request, enterprise_id, who, 409, newest, theirs=True)
    return RedirectResponse(f"/enterprises/{kept}", status_code=303)


@router.post("/enterprises/{enterprise_id}/merge")
def merge(request: Request, enterprise_id: Id, who: Merger, typed: Words) -> Response:
    """Another record goes into this one: `other` (its id), or `uscc` (whose it is)."""
    try:
        with services(request).database.session() as session:
            other = _other(session, typed)
            kept = merging.merge(session, who, "enterprise", enterprise_id, other, now()).id
    except Faulty as fault:
        return one(request, enterprise_id, who, 422, typed=typed, faults=fault.faults)
    return RedirectResponse(f"/enterprises/{kept}", status_code=303)


@router.post("/enterprises/{enterprise_id}/undo")
def undo(request: Request, enterprise_id: Id, who: Merger) -> Response:
    """The last merge into this record is taken apart, within a day."""
    try:
        with services(request).database.session() as session:
            merging.undo(session, who, "enterprise", enterprise_id, now())
    except Faulty as fault:
        raise Refused("parties.not_undone", status=409) from fault
    return RedirectResponse(f"/enterprises/{enterprise_id}", status_code=303)


def _row(row: EnterpriseRow, *, full: bool) -> dict[str, Any]:
    return {
        "enterprise": personal.shown(row.enterprise, full=full),
        "callers": row.callers,
        "tickets": row.tickets,
        "open": row.open,
    }


def _shown(record: EnterpriseRecord, *, full: bool) -> dict[str, Any]:
    return {
        "enterprise": personal.shown(record.enterprise, full=full),
        "callers": [shown_row(row, full=full) for row in record.callers],
        "doubles": [_row(row, full=full) for row in record.doubles],
        "history": shown_history(record.history, full=full),
    }


def _form(
    request: Request,
    enterprise_id: int,
    who: Viewer,
    status: int = 200,
    typed: Mapping[str, Any] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    theirs: bool = False,
) -> Response:
    with services(request).database.session() as session:
        kept = parties.kept_enterprise(session, who, enterprise_id)
        enterprise = personal.shown(kept, full=False)
        values = {name: getattr(enterprise, name) or "" for name in (*FIELDS, "version")}
    return page(
        request,
        "enterprises_edit.html",
        status,
        enterprise=enterprise,
        values=values | dict(typed or {}),
        faults=faults or {},
        theirs=theirs,
        scales=correcting.SCALES,
        industries=correcting.INDUSTRIES,
    )


def _other(session: Session, typed: Mapping[str, str]) -> int:
    """Which to merge. Raises Refused on `uscc`."""
    if typed.get("other"):
        return id_of(typed["other"])
    told = typed.get("uscc", "").strip()
    if wrong := code_fault(told) if told else "required":
        raise Faulty({"uscc": wrong})
    found = with_code(session, uscc.normalise(told))
    if found is None:
        raise Faulty({"uscc": "no_such"})
    return found.id
