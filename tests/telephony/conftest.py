"""Channel events that a real Asterisk 22 wrote, appended to a file as it grows, and read on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.database import Database
from storage.staff import Person
from telephony.cel import CelReader
from tests.ivr.test_inbound import a_policy

DATA = Path(__file__).parent / "data"
Read = Callable[..., int]


@pytest.fixture
def staff(database: Database) -> dict[str, int]:
    """Two agents, by endpoint."""
    with database.session() as session:
        people = [
            Person(login=f"a{n}", name=f"坐席{n}", role="agent", password_hash="", endpoint=f"e0000000{n}")
            for n in (1, 2)
        ]
        session.add_all(people)
        session.flush()
        return {str(person.endpoint): person.id for person in people}


@pytest.fixture
def read(database: Database, tmp_path: Path) -> Read:
    """Append a sample to the file and read on; `pieces` cuts it into so many reads."""
    file = tmp_path / "cel.csv"
    reader = CelReader(file, database, a_policy())

    def append_and_read(sample: str, pieces: int = 1, upto: str = "", since: str = "") -> int:
        """`upto` and `since`: only the records before, or from, the first of this type."""
        data = (DATA / f"cel_{sample}.csv").read_bytes()
        if upto or since:
            there = data.index(f'"{upto or since}"'.encode())
            data = data[:there] if upto else data[there:]
        size = len(data) // pieces + 1
        told = 0
        for begin in range(0, len(data), size):
            with file.open("ab") as stream:
                stream.write(data[begin : begin + size])
            told += reader.read()
        return told

    return append_and_read
