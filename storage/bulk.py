"""Many rows written by one statement: arrays go over, not a statement for each."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, column, func, literal, update
from sqlalchemy.orm import Session

from storage.base import Base

BATCH = 1000  # rows of one statement


def update_all(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Each row has its `id` and the same columns; what the session holds of them is as it was."""
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        own = table.__table__.c
        given = [literal([row[name] for row in some], ARRAY(own[name].type)) for name in some[0]]
        columns = [column(name, own[name].type) for name in some[0]]
        new = func.unnest(*given).table_valued(*columns).render_derived(name="given")
        told = {name: new.c[name] for name in some[0] if name != "id"}
        changed = update(table).where(own.id == new.c.id).values(told)
        session.execute(changed.execution_options(synchronize_session=False))
