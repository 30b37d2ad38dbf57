"""Many rows written by one statement: arrays go over, not a statement for each."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, TableValuedAlias, column, func, literal, update
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from storage.base import Base

BATCH = 1000  # rows of one statement


def given(columns: Mapping[str, TypeEngine[Any]], rows: Sequence[Sequence[Any]]) -> TableValuedAlias:
    """The rows as a table `given` with these columns: an array goes over for each."""
    arrays = [
        literal([row[place] for row in rows], ARRAY(type_)) for place, type_ in enumerate(columns.values())
    ]
    named = [column(name, type_) for name, type_ in columns.items()]
    return func.unnest(*arrays).table_valued(*named).render_derived(name="given")


def update_all(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Each row has its `id` and the same columns; what the session holds of them is as it was."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        own = table.__table__.c
        columns = {name: own[name].type for name in some[0]}
        new = given(columns, [[row[name] for name in columns] for row in some])
        told = {name: new.c[name] for name in some[0] if name != "id"}
        changed = update(table).where(own.id == new.c.id).values(told)
        session.execute(changed.execution_options(synchronize_session=False))
