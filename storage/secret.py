"""Columns whose values are sealed: text outside, bytes nobody can read in the database.

`Call.number == x` goes on reading so: it looks for the twins of x (storage/vault.py), which stand at a fixed
place in each value, and are indexed there (`found_by`). Sorting, LIKE and ranges are gone; asking for them
raises TypeError. What is empty is stored empty: that nothing was said is no secret.
"""

import json
from collections.abc import Collection
from typing import Any, cast

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnClause,
    ColumnElement,
    Dialect,
    Index,
    LargeBinary,
    any_,
    bindparam,
    func,
    literal,
    literal_column,
    text,
)
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator

from storage.vault import TWIN_AT, TWIN_BYTES, Purpose, installed

EMPTY = text("''::bytea")  # the server's default of a sealed column
_FROM, _LENGTH = TWIN_AT + 1, TWIN_BYTES  # SQL counts from 1


class _Twins(TypeDecorator[Any]):
    """Binds a value, or several, as the twins that a column of `domain` may hold of it."""

    impl = ARRAY(LargeBinary)
    cache_ok = True

    def __init__(self, domain: str) -> None:
        super().__init__()
        self.domain = domain

    def process_bind_param(self, value: str | Collection[str] | None, _dialect: Dialect) -> Any:
        if value is None:
            return None
        texts = [value] if isinstance(value, str) else value
        return [each for text in texts for each in installed().twins(self.domain, text)]


class _ByTwin(TypeDecorator.Comparator[Any]):
    """Equality only."""

    def operate(self, op: Any, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
        column = self.expr
        kind = cast("Secret", column.type)
        (wanted,) = other or (None,)
        if wanted is None and op in (operators.eq, operators.ne, operators.is_, operators.is_not):
            return super().operate(op, *other, **kwargs)
        if op is operators.eq and isinstance(wanted, ColumnClause):
            return super().operate(op, *other, **kwargs)  # so the ORM asks whether two columns are the same
        if op not in (operators.eq, operators.ne):
            raise TypeError(
                f"{kind.context} is sealed: it can be asked whether it equals a value, nothing else"
            )
        if wanted == "" and not isinstance(wanted, ColumnElement):
            return op(func.length(column), 0)  # type: ignore[no-any-return]
        if not kind.domain:
            raise TypeError(f"{kind.context} is sealed and has no twin to be found by")
        found = twin(column) == any_(_bound(wanted, _Twins(kind.domain)))
        return found if op is operators.eq else ~found


def twin(column: Any) -> ColumnElement[bytes]:
    """What a sealed column's values are found by, and are alike in."""
    return func.substr(column, literal_column(str(_FROM)), literal_column(str(_LENGTH)), type_=LargeBinary)


def one_of(column: Any, values: Collection[str]) -> ColumnElement[bool]:
    """The column holds one of these, none of them empty; one statement for however many."""
    return twin(column) == any_(literal(list(values), _Twins(column.type.domain)))


def _bound(wanted: Any, twins: _Twins) -> ColumnElement[Any]:
    if isinstance(wanted, BindParameter):
        return bindparam(wanted.key, wanted.value, type_=twins, unique=wanted.unique)
    return literal(wanted, twins)


class Secret(TypeDecorator[str]):
    """Text, sealed. `context`: `table.column`. `domain`: whose twins it is found by; '': it is not."""

    impl = LargeBinary
    cache_ok = True
    comparator_factory = _ByTwin

    def __init__(self, context: str, domain: str = "", purpose: Purpose = "fields") -> None:
        super().__init__()
        self.context = context
        self.domain = domain
        self.purpose = purpose

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> bytes | None:
        if not value:
            return None if value is None else b""
        return installed().seal(self.purpose, self.context, value.encode(), self.domain)

    def process_result_value(self, value: Any, _dialect: Dialect) -> str | None:
        if not value:
            return None if value is None else ""
        return installed().open(self.purpose, self.context, bytes(value)).decode()

    def seal_anew(self, value: bytes) -> bytes:
        """The same text under the key of today."""
        vault = installed()
        return vault.seal(
            self.purpose, self.context, vault.open(self.purpose, self.context, value), self.domain
        )


class SecretJson(Secret):
    """A JSON document, sealed."""

    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> bytes | None:
        return (
            None
            if value is None
            else super().process_bind_param(json.dumps(value, ensure_ascii=False), _dialect)
        )

    def process_result_value(self, value: Any, _dialect: Dialect) -> Any:
        told = super().process_result_value(value, _dialect)
        return None if told is None else json.loads(told)


def found_by(name: str, column: str, *, unique: bool = False) -> Index:
    """The index over a sealed column's twins."""
    return Index(name, text(f"substr({column}, {_FROM}, {_LENGTH})"), unique=unique)
