"""`hotline people`: who works here. Changes reach a running Asterisk at once; no call is dropped."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hotline.faults import errors, foreseen
from storage.viewer import Role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cases.errors import Refused
    from hotline.home import Home
    from hotline.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Members of staff and their phones.")
Login = Annotated[str, typer.Argument(help="What they log in as.")]
REMEDIES = {
    ("login", "required"): "write what they log in as",
    ("login", "taken"): "somebody logs in so already: choose another, or see hotline people list",
    ("login", "demo"): (
        "this is the demo city, whose passwords everybody knows: start a hotline of your own with "
        "HOTLINE_DEMO=false and a HOTLINE_HOME that is empty"
    ),
    ("phone", "not_hardware"): "they have no SIP phone on the desk: see hotline people list",
    ("login", "unknown"): "nobody logs in so: see hotline people list",
    ("name", "required"): "write their name with --name",
    ("extension", "taken"): "somebody has it already: see hotline people list",
    ("extension", "number"): "write 3 to 6 digits, as in 8005",
    ("phone", "role"): "this role takes no calls in the browser: --phone hardware, or no extension",
    ("role", "unknown"): "a caller is no member of staff",
    ("unit", "required"): "a clerk sees what is sent to her unit: name it with --unit",
    ("unit", "unknown"): "write a code of the policy's [[units]], as in hotline people units",
    ("lines", "required"): "a leader sees the calls to her numbers: name each with --line",
    ("lines", "role"): "only leaders and their secretaries have numbers of their own: leave --line out",
    ("lines", "unknown"): "write published numbers of the policy's [[lines]]",
}


class Kind(StrEnum):
    browser = "browser"
    hardware = "hardware"


@app.command("list")
def show() -> None:
    """Everybody who works here."""
    from cases import people, units

    with _staff(changes_phones=False) as session:
        table = Table("log-in", "name", "role", "extension", "phone", "unit or lines", box=None)
        codes = {unit.id: unit.code for unit in units.everyone(session)}
        for one in people.everybody(session):
            place = codes[one.unit_id] if one.unit_id else " ".join(one.lines)
            table.add_row(
                *map(escape, (one.login, one.name, one.role, one.extension or "", one.phone, place))
            )
        Console(highlight=False).print(table)


@app.command("units")
def show_units() -> None:
    """The units of the policy, by their codes."""
    from cases import units

    with _staff(changes_phones=False) as session:
        table = Table("code", "name", "level", box=None)
        for unit in units.all_active(session):
            table.add_row(*map(escape, (unit.code, unit.name, unit.level)))
        Console(highlight=False).print(table)


@app.command()
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="As colleagues know them.")],
    role: Annotated[Role, typer.Option(help="What they are here to do.")] = Role.AGENT,
    extension: Annotated[str, typer.Option(help="What colleagues dial, 3 to 6 digits; none: no phone.")] = "",
    phone: Annotated[Kind, typer.Option(help="The browser, or a SIP phone on the desk.")] = Kind.browser,
    unit: Annotated[str, typer.Option(help="Code of the unit they belong to; a clerk needs one.")] = "",
    line: Annotated[list[str] | None, typer.Option(help="A published number they lead; repeatable.")] = None,
) -> None:
    """Somebody new. The password is asked for, or read from standard input."""
    from cases import people, phones

    password = _password()
    with _staff(changes_phones=bool(extension)) as session:
        _know_lines(line or [])
        person = people.create_person(
            session,
            login,
            name,
            role,
            password,
            extension or None,
            phone.value,
            unit=unit,
            lines=line or (),
        )
        errors.print(f"{escape(person.name)} logs in as {escape(person.login)}")
        if person.extension and phone is Kind.hardware:
            secret = phones.new_secret(person)
            errors.print(f"their phone registers as {person.endpoint} with the secret {secret}")
            errors.print("nobody can show it again: hotline people phone gives them another")


@app.command()
def first() -> None:
    """Where nobody works yet: a link that makes the first administrator, once and within an hour."""
    from hotline import wiring
    from hotline.home import Home
    from hotline.settings import load

    with foreseen():
        settings = load()
        link = wiring.first_link(settings, Home(settings.home))
    if not link:
        errors.print("[red]fault:[/] somebody works here already: an administrator lets others in")
        sys.exit(1)
    print(link)


@app.command()
def place(
    login: Login,
    unit: Annotated[str, typer.Option(help="Code of the unit they belong to from now on.")] = "",
    line: Annotated[list[str] | None, typer.Option(help="A published number they lead; repeatable.")] = None,
) -> None:
    """Another unit, or other published numbers; what is not named is taken away."""
    from cases import people

    with _staff(changes_phones=False) as session:
        _know_lines(line or [])
        person = people.place(session, login, unit, line or ())
        errors.print(
            f"{escape(person.name)} sees by {escape(unit or ' '.join(person.lines) or 'role alone')}"
        )


@app.command()
def password(login: Login) -> None:
    """A new password, asked for or read from standard input; open log-ins end."""
    from cases import people

    chosen = _password()
    with _staff(changes_phones=False) as session:
        people.set_password(session, login, chosen)
        errors.print(f"{escape(login)} has a new password and is logged out everywhere")


@app.command()
def phone(login: Login) -> None:
    """Another secret for a SIP phone on the desk, shown once; the one before is refused from now on."""
    from cases import people, phones

    with _staff(changes_phones=True) as session:
        person = people.by_login(session, login)
        secret = phones.new_secret(person)
        errors.print(f"their phone registers as {person.endpoint} with the secret {secret}")


@app.command("second-step-off")
def second_step_off(login: Login) -> None:
    """Somebody lost her authenticator app and her recovery codes: the password alone lets her in again."""
    from cases import totp

    with _staff(changes_phones=False) as session:
        person = totp.turn_off_for(session, None, login)
        errors.print(f"{escape(person.name)} logs in by password alone")


@app.command("log-out")
def log_out(login: Login) -> None:
    """Somebody is logged out everywhere, at once; a call under way goes on."""
    from cases import journal, logins, people

    with _staff(changes_phones=False) as session:
        person = people.by_login(session, login)
        ended = logins.end_all(session, person.id)
        journal.append(session, None, "session.ended", "person", person.id, own=False, sessions=ended)
        errors.print(f"{escape(person.name)} is logged out: {ended} log-ins ended")


@app.command()
def leave(login: Login) -> None:
    """Somebody leaves: no log-in and no phone from now on; what they did stays on record."""
    from cases import people

    with _staff(changes_phones=True) as session:
        errors.print(f"{escape(people.dismiss(session, login).name)} has left")


@contextmanager
def _staff(*, changes_phones: bool) -> Iterator["Session"]:
    """One transaction on the people; afterwards, if asked, Asterisk is told who has a phone."""
    from cases.errors import Refused
    from hotline import wiring
    from hotline.home import Home
    from hotline.settings import load
    from storage.database import Database

    with foreseen():
        settings = load()
        home = Home(settings.home)
        url = wiring.database_url(settings, home)
        database = Database(url, pool_size=1)
        try:
            with database.session() as session:
                yield session
        except Refused as why:
            _refuse(why)
        finally:
            database.close()
        if changes_phones:
            _tell_asterisk(settings, home, url)


def _tell_asterisk(settings: "Settings", home: "Home", url: str) -> None:
    from hotline import wiring

    try:
        server = wiring.asterisk(settings, home)
        changed = wiring.render_config(settings, home, url, wiring.policy(settings), server.binary)
        for line in wiring.reload(server, changed):
            errors.print(line)
    except wiring.FORESEEN:
        errors.print("this is kept, but Asterisk has not been told: mend what follows, then run")
        errors.print("  hotline config --reload")
        raise


def _know_lines(numbers: list[str]) -> None:
    """Raises Refused for a number that the policy does not publish."""
    from cases.errors import Refused
    from hotline import wiring
    from hotline.settings import load

    city = wiring.policy(load())
    if any(city.line(number) is None for number in numbers):
        raise Refused({"lines": "unknown"})


def _refuse(why: "Refused") -> None:
    from cases.people import SHORTEST_PASSWORD

    remedies = REMEDIES | {("password", "too_short"): f"write at least {SHORTEST_PASSWORD} characters"}
    for field, code in why.faults.items():
        errors.print(f"[red]fault:[/] {field}: {remedies.get((field, code), code)}")
    sys.exit(1)


def _password() -> str:
    """Typed twice, or one line of standard input, so that no password stands in a command's history."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    chosen = getpass.getpass("password: ")
    if chosen != getpass.getpass("again: "):
        errors.print("[red]fault:[/] password: the two differ: try again")
        sys.exit(1)
    return chosen
