"""The editor's pages of the knowledge base: drafts, what expires, writing with preview and history."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from agents.knowledge import state_of, today_of
from agents.people import names_of
from agents.tickets import form_fields
from cases import knowledge
from cases.errors import Conflict
from cases.errors import Refused as Faulty
from cases.knowledge import KnowledgeForm, Shelf, State
from cases.permissions import Action
from storage.viewer import Viewer
from web.faults import Refused
from web.login import needs, services
from web.render import now, page

router = APIRouter()
Editor = Annotated[Viewer, Depends(needs(Action.EDIT_KNOWLEDGE))]
Typed = Annotated[dict[str, str], Depends(form_fields)]


@router.get("/knowledge/shelf")
def shelf(
    request: Request, who: Editor, which: Annotated[Shelf | None, Query(alias="list")] = None
) -> Response:
    """One of the editors' lists, each with its count; unasked the one that waits for her, if any does."""
    today = today_of(services(request).policy)
    with services(request).database.session() as session:
        counts = knowledge.counts(session, who, today)
        which = which or (Shelf.EXPIRING if counts[Shelf.EXPIRING] else Shelf.ALL)
        rows = [(row, state_of(row, today)) for row in knowledge.shelf(session, who, which, today)]
        names = names_of(session, {row.changed_by for row, _ in rows})
    return page(
        request,
        "knowledge_shelf.html",
        rows=rows,
        names=names,
        shelves=list(Shelf),
        counts=counts,
        which=which,
    )


@router.get("/knowledge/new")
def new_page(request: Request, who: Editor) -> Response:
    """An empty form."""
    return _form(request, who, None, {})


@router.post("/knowledge")
def add(request: Request, who: Editor, typed: Typed) -> Response:
    """A new draft; at once published where she says so."""
    return _save(request, who, None, typed)


@router.post("/knowledge/preview")
def preview(request: Request, _who: Editor, typed: Typed) -> Response:
    """How it will read."""
    return page(request, "knowledge_preview.html", entry=_read(typed))


@router.get("/knowledge/{entry_id}/edit")
def edit_page(
    request: Request,
    entry_id: int,
    who: Editor,
    of: Annotated[int | None, Query(alias="from", ge=1, lt=2**31)] = None,
) -> Response:
    """The form over an entry; `from`: with the words of that older version, to be saved as a new one."""
    with services(request).database.session() as session:
        entry = knowledge.read(session, who, entry_id)
        kept = {each.version: each for each in knowledge.versions(session, who, entry_id)} if of else {}
        form = knowledge.form_of(kept.get(of or 0, entry))
        version = entry.version
    return _form(
        request, who, entry_id, {**_columns(form), "version": str(version)}, older=of if kept else None
    )


@router.post("/knowledge/{entry_id}")
def change(request: Request, entry_id: int, who: Editor, typed: Typed) -> Response:
    """Saves what was typed as the next version; faults and conflicts give the form back as typed."""
    return _save(request, who, entry_id, typed)


@router.post("/knowledge/{entry_id}/publish")
def publish(
    request: Request, entry_id: int, who: Editor, version: Annotated[int, Form(ge=1, lt=2**31)]
) -> Response:
    """All who answer read it from now on."""
    today = today_of(services(request).policy)
    try:
        with services(request).database.session() as session:
            knowledge.publish(session, who, entry_id, version, today)
    except Conflict as conflict:
        raise Refused("knowledge.changed_meanwhile", status=409) from conflict
    except Faulty as fault:
        raise Refused("knowledge.over_already", field="valid_until") from fault
    return RedirectResponse(f"/knowledge/{entry_id}", status_code=303)


@router.post("/knowledge/{entry_id}/withdraw")
def withdraw(request: Request, entry_id: int, who: Editor) -> Response:
    """Nobody finds it any more."""
    with services(request).database.session() as session:
        knowledge.withdraw(session, who, entry_id)
    return RedirectResponse(f"/knowledge/{entry_id}", status_code=303)


def _save(request: Request, who: Viewer, entry_id: int | None, typed: Mapping[str, str]) -> Response:
    policy, form = services(request).policy, _read(typed)
    version = _version(typed) if entry_id is not None else None
    try:
        with services(request).database.session() as session:
            at = now()
            entry = knowledge.write(session, who, form, policy, at, entry_id=entry_id, version=version)
            if typed.get("then") == "publish":
                knowledge.publish(session, who, entry.id, entry.version, today_of(policy))
            entry_id = entry.id
    except Faulty as fault:
        return _form(request, who, entry_id, typed, status=422, faults=fault.faults)
    except Conflict as conflict:
        again = {**typed, "version": str(conflict.theirs.version)}
        theirs = {"by": conflict.theirs.changed_by, "at": conflict.theirs.changed_at}
        return _form(request, who, entry_id, again, status=409, theirs=theirs)
    return RedirectResponse(f"/knowledge/{entry_id}", status_code=303)


def _form(
    request: Request,
    who: Viewer,
    entry_id: int | None,
    values: Mapping[str, str],
    status: int = 200,
    faults: Mapping[str, str] | None = None,
    theirs: Mapping[str, Any] | None = None,
    older: int | None = None,
) -> Response:
    """The form with `values`, beside it all that the entry ever said. `theirs`: who was faster, and when."""
    kept, is_published = [], False
    with services(request).database.session() as session:
        if entry_id is not None:
            kept = knowledge.versions(session, who, entry_id)
            is_published = knowledge.read(session, who, entry_id).state == State.PUBLISHED
        by = {each.by_id for each in kept} | ({theirs["by"]} if theirs else set())
        names = names_of(session, by)
    return page(
        request,
        "knowledge_edit.html",
        status,
        entry_id=entry_id,
        is_published=is_published,
        values={name: values.get(name, "") for name in (*_columns(KnowledgeForm()), "version")},
        faults=faults or {},
        theirs=theirs,
        older=older,
        kept=kept,
        names=names,
    )


def _read(typed: Mapping[str, str]) -> KnowledgeForm:
    return KnowledgeForm(**{name: typed.get(name, "") for name in _columns(KnowledgeForm())})


def _columns(form: KnowledgeForm) -> dict[str, str]:
    return {each.name: getattr(form, each.name) for each in fields(form)}


def _version(typed: Mapping[str, str]) -> int:
    version = typed.get("version", "")
    if not (version.isascii() and version.isdecimal() and len(version) < 10):
        raise Refused("error.input", field="version", name="version")
    return int(version)
