"""派单目录 for the administrator: kept, tried on a text, and taken in and out as a spreadsheet."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from agents.directory_table import COLUMNS, forms_of, lines_of, read, row_of, written
from agents.people import names_of
from agents.tickets import form_fields
from agents.units import unit_options
from cases import directory, units
from cases.directory import Proposal
from cases.errors import Conflict
from cases.errors import Refused as Faulty
from cases.permissions import Action
from routing.bigrams import fold
from routing.policy import Policy
from storage.knowledge import DirectoryEntry
from storage.viewer import Viewer
from web.answers import file_of
from web.faults import Refused
from web.login import needs, services
from web.messages import Catalogue
from web.render import look, now, page, renderer, translate
from web.uploads import Upload

router = APIRouter()
Keeper = Annotated[Viewer, Depends(needs(Action.MANAGE_CITY))]
Typed = Annotated[dict[str, str], Depends(form_fields)]

MOST_BYTES = 2 << 20
_FIELDS = (*COLUMNS, "version")


@router.get("/city")
def city(_request: Request, _who: Keeper) -> Response:
    """What the city is made of begins with who handles what."""
    return RedirectResponse("/city/directory", status_code=303)


@router.get("/city/directory")
def directory_page(request: Request, who: Keeper, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The whole directory, or what of it has the words in `q`."""
    return _page(request, who, q)


@router.post("/city/directory/try")
def try_it(request: Request, who: Keeper, typed: Typed) -> Response:
    """Whom a matter would go to, and why; nothing is kept of it."""
    at = services(request)
    matter = {name: typed.get(name, "") for name in ("kind", "category", "place", "text", "accused_unit")}
    with at.database.session() as session:
        accused = units.by_code(session, matter["accused_unit"])
        proposal = directory.propose(
            session,
            kind=matter["kind"],
            category=matter["category"],
            place=matter["place"],
            text=matter["text"],
            accused_unit_id=accused.id if accused else None,
            policy=at.policy,
        )
    return _page(request, who, "", tried=matter, proposal=proposal)


@router.get("/city/directory/new")
def new_page(request: Request, _who: Keeper) -> Response:
    """An empty form."""
    return _form(request, None, {})


@router.get("/city/directory/export", responses=file_of("All that is in use, for a spreadsheet", "text/csv"))
def export(request: Request, who: Keeper) -> Response:
    """As it can be taken in again; no cell is a formula."""
    t = translate(request)
    with services(request).database.session() as session:
        text = written((each for each in directory.everything(session, who) if each.active), t)
    headers = {"Content-Disposition": 'attachment; filename="directory.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv", headers=headers)


@router.post("/city/directory/import")
def take_in(request: Request, who: Keeper) -> Response:
    """A table as the export gives it: all of it or, with its lines at fault told, nothing."""
    policy, upload = services(request).policy, Upload(request, MOST_BYTES)
    lines = lines_of(b"".join(upload.pieces()))
    try:
        forms = list(forms_of(lines, policy, list(renderer(request).catalogues.values())))
        with services(request).database.session() as session:
            added, changed = directory.take_in(session, who, forms, policy, now())
    except Faulty as fault:
        return _page(request, who, "", status=422, bad_lines=list(_told(fault.faults, translate(request))))
    return _page(request, who, "", taken_in={"added": added, "changed": changed})


@router.post("/city/directory")
def add(request: Request, who: Keeper, typed: Typed) -> Response:
    """One more entry."""
    return _save(request, who, None, typed)


@router.get("/city/directory/{entry_id}")
def entry_page(request: Request, entry_id: int, who: Keeper) -> Response:
    """The form over an entry."""
    with services(request).database.session() as session:
        found = [each for each in directory.everything(session, who) if each.id == entry_id]
    if not found:
        raise Refused("error.missing", status=404)
    return _form(request, entry_id, _values(found[0]))


@router.post("/city/directory/{entry_id}")
def change(request: Request, entry_id: int, who: Keeper, typed: Typed) -> Response:
    """Saves what was typed; faults and conflicts give the form back as typed."""
    return _save(request, who, entry_id, typed)


@router.post("/city/directory/{entry_id}/switch")
def switch(request: Request, entry_id: int, who: Keeper, on: Annotated[bool, Form()]) -> Response:
    """Out of use, or into use again."""
    try:
        with services(request).database.session() as session:
            directory.switch(session, who, entry_id, on, now())
    except Faulty as fault:
        raise Refused("directory.there_already", status=409) from fault
    return RedirectResponse("/city/directory", status_code=303)


# -- the pages -------------------------------------------------------------------------------------


def _page(
    request: Request,
    who: Viewer,
    q: str,
    status: int = 200,
    *,
    tried: Mapping[str, str] | None = None,
    proposal: Proposal | None = None,
    taken_in: Mapping[str, int] | None = None,
    bad_lines: list[tuple[str, str]] | None = None,
) -> Response:
    at = services(request)
    with at.database.session() as session:
        rows = [
            row
            for row in directory.everything(session, who)
            if _has(row, q, at.policy, look(request).language)
        ]
        names = names_of(session, {row.changed_by for row in rows})
        options = unit_options(session)
    return page(
        request,
        "directory.html",
        status,
        rows=rows,
        names=names,
        typed=q,
        units=options,
        unit_names=dict(options),
        tried=tried,
        proposal=proposal,
        taken_in=taken_in,
        bad_lines=bad_lines or [],
    )


def _has(entry: DirectoryEntry, q: str, policy: Policy, language: str) -> bool:
    names = {unit.code: unit.name for unit in policy.units}
    text = " ".join(
        (
            *(policy.category_path(entry.category, language), entry.place, entry.note, *entry.words),
            *(names.get(entry.unit, ""), entry.unit, entry.category),
        )
    )
    return all(word in fold(text) for word in fold(q).split())


def _save(request: Request, who: Viewer, entry_id: int | None, typed: Mapping[str, str]) -> Response:
    policy, form = services(request).policy, read(typed)
    version = typed.get("version", "")
    read_as = int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0
    try:
        with services(request).database.session() as session:
            directory.write(
                session,
                who,
                form,
                policy,
                now(),
                entry_id=entry_id,
                version=read_as if entry_id is not None else None,
            )
    except Faulty as fault:
        return _form(request, entry_id, typed, status=422, faults=fault.faults)
    except Conflict as conflict:
        theirs = _values(conflict.theirs)
        again = {**typed, "version": theirs["version"]}
        return _form(request, entry_id, again, status=409, theirs=theirs)
    return RedirectResponse("/city/directory", status_code=303)


def _form(
    request: Request,
    entry_id: int | None,
    values: Mapping[str, str],
    status: int = 200,
    faults: Mapping[str, str] | None = None,
    theirs: Mapping[str, str] | None = None,
) -> Response:
    with services(request).database.session() as session:
        options = unit_options(session)
    shown = {name: values.get(name, "") for name in _FIELDS}
    differing = [name for name in COLUMNS if theirs and theirs[name] != shown[name]]
    return page(
        request,
        "directory_edit.html",
        status,
        entry_id=entry_id,
        values=shown,
        units=options,
        faults=faults or {},
        theirs=theirs,
        differing=differing,
    )


def _values(entry: DirectoryEntry) -> dict[str, str]:
    """An entry as its form's fields."""
    return {name: str(value) for name, value in row_of(entry).items()} | {"version": str(entry.version)}


def _told(faults: Mapping[str, str], t: Catalogue) -> Iterator[tuple[str, str]]:
    """Line and field → what is wrong; lines count from the one below the headings."""
    for key, code in faults.items():
        line, name = key.split(".", 1)
        field = t(f"directory.{name}") if t.has(f"directory.{name}") else ""
        yield t("directory.line", line=line, field=field).strip(), t(f"fault.{code}")
