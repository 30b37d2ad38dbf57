"""`hotline export`: calls or tickets on standard output, row by row, as JSON or for a spreadsheet."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from cases import export as exports
from cases import logins
from hotline.settings import CHECKOUT
from hotline.wiring import WiringError
from storage.database import Database
from storage.staff import Person
from storage.viewer import COMMAND_LINE, Viewer
from web.messages import Catalogue

EXPORT_SECONDS = 3600.0
BOM = "\ufeff"  # by which Excel knows UTF-8

Rows = Iterable[Mapping[str, Any]]


def write(url: str, what: str, login: str, form: str, language: str, *, full: bool) -> None:
    """Write `calls` or `tickets` as `json` or `csv`, its headings in this language.

    As the person with this `login`, or as the command line itself, which nobody names for a sealed case.
    `full`: names and numbers without masks, as far as that person may ask for it.
    Raises WiringError, NotAllowed, DatabaseAway.
    """
    with closing(Database(url, pool_size=1)) as database, database.session(EXPORT_SECONDS) as session:
        viewer = viewer_named(session, login)
        export = {"calls": exports.export_calls, "tickets": exports.export_tickets}[what]
        rows = export(session, viewer, full=full)
        session.commit()  # what leaves is on record before it does
        if form == "csv":
            _write_csv(what, rows, language)
        else:
            _write_json(rows)


def _write_json(rows: Rows) -> None:
    comma = "["
    for row in rows:
        sys.stdout.write(f"{comma}\n{json.dumps(row, ensure_ascii=False)}")
        comma = ","
    sys.stdout.write("[]\n" if comma == "[" else "\n]\n")


def _write_csv(what: str, rows: Rows, language: str) -> None:
    t = Catalogue(language, [CHECKOUT / "web/messages"])
    fields = exports.FIELDS[what]
    words = {name: t(f"export.{what}.{name}") for name in fields}
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    sys.stdout.write(BOM)
    csv.writer(sys.stdout).writerows(exports.as_csv(rows, fields, words))


def viewer_named(session: Session, login: str) -> Viewer:
    """The person with this `login`, or the command line itself for ''. Raises WiringError."""
    if not login:
        return COMMAND_LINE
    person = session.scalar(select(Person).where(Person.login == login, Person.active))
    if person is None:
        raise WiringError(f"nobody logs in as {login!r}: name an active person with --viewer")
    return logins.viewer_of(session, person)
