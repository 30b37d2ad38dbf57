"""Sealed columns: nobody reads them in the database, and what is asked of them is answered as before."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, insert, select, text
from sqlalchemy.orm import aliased

from routing.numbers import normalise
from storage.database import Database
from storage.parties import Caller, CallerNumber
from storage.tables import Call, Ticket
from storage.vault import Vault, VaultError, installed

NOW = datetime(2026, 9, 18, tzinfo=UTC)
HERS, OTHERS = "+8613812345678", "+8613987654321"
TYPED = {
    "content": "拖欠工资，请打 13812345678",
    "caller_name": "王敏",
    "company": "某机械厂",
    "place": "临园路",
}


def a_call(call_id: str, number: str | None) -> Call:
    return Call(
        id=call_id,
        linkedid=call_id,
        offer_token="",
        line="962299",
        number_raw=number or "",
        number=number,
        number_kind="mobile",
        began_at=NOW,
    )


def a_ticket(number: str, **typed: str) -> Ticket:
    told = {"content": "c"} | typed
    return Ticket(number=number, state="accepted", channel="phone", kind="help", title="拖欠", **told)


def test_nothing_personal_can_be_read_in_the_tables(database: Database) -> None:
    with database.session() as session:
        session.add_all([a_call("c1", HERS), a_ticket("1", contact_number=HERS, **TYPED)])
        session.add(Caller(name="王敏", company="某机械厂", place="临园路", note="熟人"))
    words = ["王敏", "某机械厂", "临园路", "熟人", "拖欠", "13812345678"]
    with database.session() as session:
        for table in ("caller", "call", "ticket"):
            (row,) = session.scalars(text(f"SELECT t::text FROM {table} t"))
            assert "\\x01" in row.replace("\\\\", "\\")
            assert not [word for word in words if word in row or word.encode().hex() in row]
        ticket = session.scalars(select(Ticket)).one()
        assert {name: getattr(ticket, name) for name in TYPED} == TYPED
        assert session.scalars(select(Caller)).one().note == "熟人"


def test_what_a_number_is_found_by_reads_as_it_did(database: Database) -> None:
    other = aliased(Call)
    with database.session() as session:
        session.add_all([a_call("hers", HERS), a_call("other", OTHERS), a_call("none", None)])
    with database.session() as session:

        def ids(*where: object) -> list[str]:
            return list(session.scalars(select(Call.id).where(*where).order_by(Call.id)))  # type: ignore[arg-type]

        assert ids(Call.number == HERS) == ["hers"]
        assert ids(Call.number != HERS) == ["other"]  # as in SQL: nobody knows of NULL
        assert ids(Call.number.is_(None)) == ids(Call.number == None) == ["none"]  # noqa: E711
        assert ids(Call.number == "+8613800000000") == []
        assert session.scalars(select(other.id).where(other.number == OTHERS)).all() == ["other"]
        asked = select(Call.id).where(Call.number == bindparam("number"))
        assert session.scalars(asked, {"number": HERS}).all() == ["hers"]
        assert session.scalars(asked, {"number": None}).all() == []
        within = select(Call).subquery()
        assert session.scalars(select(within.c.id).where(within.c.number == HERS)).all() == ["hers"]


def test_empty_stays_empty(database: Database) -> None:
    with database.session() as session:
        session.add_all([a_ticket("1"), a_ticket("2", place="临园路")])
    with database.session() as session:
        assert session.scalars(select(Ticket.number).where(Ticket.place == "")).all() == ["1"]
        assert session.scalars(select(Ticket.place).order_by(Ticket.number)).all() == ["", "临园路"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Call.number.like("+86138%"),
        lambda: Call.number > "+86",
        lambda: Ticket.caller_name == "王敏",
        lambda: Call.number.in_([HERS]),
        lambda: Ticket.title.contains("拖欠"),
    ],
)
def test_what_a_sealed_column_cannot_answer_is_refused_at_once(ask: object) -> None:
    with pytest.raises(TypeError, match="is sealed"):
        ask()  # type: ignore[operator]


def test_a_number_is_looked_up_by_its_index_and_with_one_statement_for_all(database: Database) -> None:
    asked = [select(Call.id).where(Call.number == number) for number in (HERS, OTHERS)]
    assert asked[0]._generate_cache_key() == asked[1]._generate_cache_key()
    with database.session() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        statement = str(asked[0].compile(session.get_bind()))
        asking = {"param_1": installed().twins("number", HERS)}
        plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", asking)
        assert "ix_call_number" in str(plan.all())


def test_a_caller_s_number_is_known_once(database: Database) -> None:
    with database.session() as session:
        caller = Caller(name="王敏")
        session.add(caller)
        session.flush()
        session.add(CallerNumber(number=HERS, caller_id=caller.id))
        session.flush()
        with pytest.raises(Exception, match="uq_caller_number_number"), session.begin_nested():
            session.execute(insert(CallerNumber).values(number=HERS, caller_id=caller.id))


@pytest.mark.parametrize(
    "move", ["place = caller_name", "calling_number = contact_number", "title = content"]
)
def test_a_value_moved_to_another_column_is_not_read_as_if_it_were_that(
    database: Database, move: str
) -> None:
    with database.session() as session:
        session.add(a_ticket("1", contact_number=HERS, **TYPED))
    with database.session() as session:
        session.execute(text(f"UPDATE ticket SET {move}"))
    with (
        database.session() as session,
        pytest.raises(VaultError, match=f"ticket.{move.split(maxsplit=1)[0]}: a value was"),
    ):
        session.scalars(select(Ticket)).one()


def test_a_value_of_another_hotline_is_told_by_its_key(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Vault(tmp_path_factory.mktemp("other"))
    other.make(NOW, first=True)
    with database.session() as session:
        session.add(a_ticket("1"))
        session.flush()
        foreign = other.seal("fields", "ticket.title", b"x")
        session.execute(text("UPDATE ticket SET title = :foreign"), {"foreign": foreign})
    with database.session() as session, pytest.raises(VaultError, match=f"key {other.current} is missing"):
        session.scalars(select(Ticket)).one()


digits = st.from_regex(r"\A1[3-9][0-9]{9}\Z") | st.from_regex(r"\A(0816|0771|010|028)[2-8][0-9]{6,7}\Z")
known = st.sampled_from(["13812345678", "08162223344", "962299", "12345", "4001234567", "02885551234"])


@st.composite
def written(draw: st.DrawFn) -> str:
    """A number as it may be written: with country code, prefix, spaces, brackets, in full width."""
    number = draw(known | digits)
    number = draw(st.sampled_from(["", "+86", "0086", "86", "17951", "+86 "])) + number
    number = draw(st.sampled_from(["{}", " {} ", "tel:{}", "<{}>", "{};ext=1"])).format(number)
    if draw(st.booleans()):
        number = draw(st.sampled_from([" ", "-", "·"])).join([number[:4], number[4:]])
    return number.translate({ord(str(n)): 0xFF10 + n for n in range(10)}) if draw(st.booleans()) else number


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.lists(written(), min_size=1, max_size=6), asked=written())
def test_looking_up_by_twin_is_looking_up_by_value(database: Database, stored: list[str], asked: str) -> None:
    numbers = [normalise(each, "0816").number for each in stored]
    wanted = normalise(asked, "0816").number
    with database.session() as session:
        session.add_all([a_call(f"c{n}", number) for n, number in enumerate(numbers)])
        session.flush()
        if wanted is not None:
            found = session.scalars(select(Call.id).where(Call.number == wanted).order_by(Call.id)).all()
            assert found == [f"c{n}" for n, number in enumerate(numbers) if number == wanted]
        session.rollback()
