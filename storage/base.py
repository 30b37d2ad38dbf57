"""What every table is made of; times are UTC with zone."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), dict[str, Any]: JSONB}


NOW = text("now()")
# Domains of what is found by its twin: one twin wherever it is stored.
NUMBER, NAME, COMPANY, USCC = "number", "name", "company", "uscc"
# For rows that have an address of their own: where ids run in a row, a gap tells of what is sealed.
RANDOM_ID = text("('x' || substr(md5(gen_random_uuid()::text), 1, 13))::bit(52)::bigint")
