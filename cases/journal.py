"""Who did what to what: appended in the transaction of the act itself, never changed.

Personal data is referenced by id and never copied here, so that erasing it breaks no chain.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, String, bindparam, exists, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from storage.bulk import BATCH, given
from storage.tables import Journal
from storage.viewer import COMMAND_LINE, Viewer

MATTERS = ("call", "ticket", "recording")
# They tell of no call or ticket.
PLAIN = (
    "person",
    "unit",
    "journal",
    "key",
    "policy",
    "retention",
    "directory",
    "knowledge",
    "calendar",
    "caller",
    "enterprise",
)
SUBJECTS = (*MATTERS, *PLAIN)

_FACTS = ("act", "subject_kind", "subject_id")
_ONCE = insert(Journal.__table__).from_select(  # type: ignore[arg-type]
    ["actor_id", "session_id", *_FACTS, "rule", "address"],
    select(
        *(bindparam(name, type_=BigInteger) for name in ("actor_id", "session_id")),
        *(bindparam(name, type_=String) for name in (*_FACTS, "rule", "address")),
    ).where(
        ~exists().where(
            Journal.actor_id == bindparam("actor_id"),
            *(getattr(Journal, name) == bindparam(name) for name in _FACTS),
        )
    ),
)


def append_once(
    session: Session, viewer: Viewer, act: str, subject_kind: str, subject_id: str, *, rule: str = ""
) -> None:
    """One entry, unless this person has the same already."""
    facts = {"act": act, "subject_kind": subject_kind, "subject_id": subject_id, "rule": rule}
    who = {"actor_id": viewer.person_id, "session_id": viewer.session, "address": viewer.address}
    session.connection().execute(_ONCE, facts | who)


def append(
    session: Session,
    viewer: Viewer | None,
    act: str,
    subject_kind: str,
    subject_id: object,
    *,
    rule: str = "",
    **detail: Any,
) -> None:
    """One entry; a viewer of None is the system itself. `detail` holds codes, ids and counts only.

    `subject_kind` is one of SUBJECTS; whoever may not see the subject does not see the entry. An entry about
    something else that concerns a call or ticket has its id in the detail, as `call` or `ticket`, to the same
    end. `rule`: the cell that allowed it, as cases/permissions.rule says it.
    """
    person = viewer is not None and viewer.person_id != COMMAND_LINE.person_id
    session.add(
        Journal(
            actor_id=viewer.person_id if viewer and person else None,
            act=act,
            subject_kind=subject_kind,
            subject_id=str(subject_id),
            rule=rule,
            detail=detail,
            address=viewer.address if viewer else "",
            session_id=viewer.session if viewer else None,
        )
    )


def append_all(
    session: Session, act: str, subject_kind: str, lines: Sequence[tuple[object, dict[str, Any]]]
) -> None:
    """The same done by the system to many subjects: (subject's id, detail) of each, as `append` has them."""
    for start in range(0, len(lines), BATCH):
        some = [(str(subject_id), detail) for subject_id, detail in lines[start : start + BATCH]]
        new = given({"id": String(), "told": JSONB()}, some)
        rows = select(literal(act, String), literal(subject_kind, String), new.c.id, new.c.told)
        facts = [*_FACTS, "detail"]
        session.connection().execute(insert(Journal.__table__).from_select(facts, rows))  # type: ignore[arg-type]
