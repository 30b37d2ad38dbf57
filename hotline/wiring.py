"""Joins the rooms: settings and the home become the plain values that each room asks for."""

import ipaddress
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.errors import InsufficientPrivilege
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from cases import calendar, first, people, phones, units
from cases.errors import NotAllowed
from hotline.cert import CertError, Keeper, machine_addresses
from hotline.ground import GroundError
from hotline.home import Home, HomeError
from hotline.settings import CHECKOUT, LAB_ADDRESS, Settings, SettingsError
from ivr.prompts import SOUNDS, Prompts
from routing import policy as policies
from routing.policy import Policy
from routing.terms import PolicyError
from storage import keyring, vault
from storage.database import Database, DatabaseAway
from storage.server import EmbeddedServer, ServerError
from storage.vault import VaultError
from telephony import config, guests
from telephony.ami import AmiLink
from telephony.asterisk import AsteriskBinary, AsteriskFault, AsteriskServer, find
from telephony.phone_secrets import AMI_USER as PHONES_USER

if TYPE_CHECKING:
    from hotline.demo import Login
    from web.services import Room

AMI_USER = "hotline"
SEED_SECONDS = 30.0
WAIT_SECONDS = 0.2
TEMPLATES = CHECKOUT / "asterisk-config"


class WiringError(RuntimeError):
    """Two parts do not fit together; each line names the value and the remedy."""


# What an operator can put right: told in one line each, never as a traceback.
FORESEEN = (
    SettingsError,
    HomeError,
    CertError,
    GroundError,
    PolicyError,
    ServerError,
    DatabaseAway,
    AsteriskFault,
    WiringError,
    VaultError,
    NotAllowed,
)


def policy(settings: Settings) -> Policy:
    """The city's policy. Raises PolicyError."""
    return policies.load(settings.policy)


def prompts(settings: Settings, home: Home, city: Policy) -> Prompts:
    """The recordings that callers hear: the operator's drop-ins first."""
    return Prompts(SOUNDS, settings.sounds or home.sounds, dict(city.prompts.items()))


def authority(host: str, port: int) -> str:
    """`host:port` as an address has it; IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def desk_address(settings: Settings, home: Home) -> str:
    """What to open in a browser; bound to every address, by one that other machines know."""
    held = Keeper(home.tls).held()
    host = settings.bind
    if ipaddress.ip_address(host).is_unspecified:
        host = next(iter([*(held.names if held else machine_addresses()), "127.0.0.1"]))
    return f"{'https' if held else 'http'}://{authority(host, settings.web_port)}"


def rooms(
    settings: Settings, home: Home, city: Policy, link: AmiLink, leaving: Callable[[], bool]
) -> list["Room"]:
    """The pages of the desk, in the rail's order, and the public's. `link` tells where guests' calls are,
    `leaving` whether this process is about to end."""
    from agents import room as agents  # the desk's alone: other roles start without its pages
    from doors import room as doors
    from doors.limits import Limits
    from doors.relay import Door, Line
    from reports import room as reports

    door = Door(
        asterisk=f"ws://127.0.0.1:{settings.asterisk_http_port}/ws",
        secret=home.secrets().guests,
        lines=tuple(Line(line.number, line.name) for line in city.lines),
        phases=partial(guests.phases, link),
        limits=Limits(calls=settings.guest_calls),
        call_seconds=guests.CALL_SECONDS,
        leaving=leaving,
    )
    return [agents.room(), reports.room(), doors.room(door)]


# -- the database ---------------------------------------------------------------------------------


def postgres(settings: Settings, home: Home) -> EmbeddedServer | None:
    """Our own PostgreSQL, or None when the operator named a server of theirs."""
    if settings.database_url:
        return None
    return EmbeddedServer(home.postgres_data, home.run, home.owner)


def database_url(settings: Settings, home: Home) -> str:
    """Where the database is; the embedded one need not be running. This process has its keys from now on."""
    vault.install(settings.keys or home.keys)
    server = postgres(settings, home)
    return server.url if server else settings.database_url


def owner_url(settings: Settings, home: Home) -> str:
    """The same for the tables' owner, as far as we know of one beside the application's role."""
    url, server = database_url(settings, home), postgres(settings, home)
    return server.owner_url if server else settings.database_owner_url or url


def await_database(settings: Settings, home: Home, seconds: float) -> str:
    """The URL, once somebody else's start of the embedded server is over, and its database made."""
    server = postgres(settings, home)
    if server is None:
        return settings.database_url
    until = time.monotonic() + seconds
    while server.pid is None and time.monotonic() < until:
        time.sleep(WAIT_SECONDS)
    return server.url if server.pid is None else server.start()


def become(what: str, settings: Settings, home: Home) -> None:
    """Turn this process into `asterisk` or `postgres`. Raises WiringError, ServerError, AsteriskFault."""
    if home.owner is not None:
        raise WiringError(f"{what} does not serve as root: run this as the user {home.owner}")
    if what == "asterisk":
        asterisk(settings, home).become()
    server = postgres(settings, home)
    if server is None:
        raise WiringError("HOTLINE_DATABASE_URL names a server of your own: start that one")
    server.become()


def require_database(url: str) -> None:
    """Raises WiringError when the operator's server does not answer."""
    database = Database(url, pool_size=1)
    try:
        with database.session():
            pass
    except DatabaseAway as why:
        fault = str(why).splitlines()[0]
        raise WiringError(
            f"HOTLINE_DATABASE_URL: {fault}: start that server, or correct the setting"
        ) from why
    finally:
        database.close()


# -- Asterisk -------------------------------------------------------------------------------------


def asterisk(settings: Settings, home: Home) -> AsteriskServer:
    """The Asterisk of this home, running or not. Raises AsteriskFault when there is none to run."""
    return AsteriskServer(
        find(settings.asterisk, home.tools),
        config_folder=home.asterisk_etc,
        run_folder=home.asterisk_run,
        output=home.log / "asterisk.out",
        run_as=home.owner,
    )


def phone_secrets(settings: Settings, home: Home) -> AmiLink:
    """A link that keeps the browser phones' secrets (telephony/phone_secrets.py), not begun yet."""
    return AmiLink("127.0.0.1", settings.ami_port, PHONES_USER, home.secrets().ami_phones, watch=False)


def render_config(
    settings: Settings, home: Home, url: str, city: Policy, binary: AsteriskBinary
) -> list[Path]:
    """Write Asterisk's files and sounds from settings, policy and people; the files that changed."""
    database = Database(url, pool_size=1)
    try:
        with database.session() as session:
            staff = phones.phones(session)
        facts = config_facts(settings, home, city, staff, binary)
    except ValidationError as why:
        raise WiringError("\n".join(_told(error["loc"], error["msg"]) for error in why.errors())) from None
    finally:
        database.close()
    changed = config.render(TEMPLATES, home.asterisk_etc, facts)
    voice = prompts(settings, home, city)
    changed += voice.install(home.asterisk_lib / "sounds")
    changed += voice.install_music(home.asterisk_lib / "moh")
    home.hand_over()
    return changed


def config_facts(
    settings: Settings, home: Home, city: Policy, staff: Iterable[phones.Phone], binary: AsteriskBinary
) -> config.ConfigFacts:
    """What the templates of Asterisk's files are told. Raises pydantic.ValidationError."""
    return config.ConfigFacts(
        folders=config.Folders(
            config=home.asterisk_etc,
            modules=binary.modules,
            data=binary.data,
            lib=home.asterisk_lib,
            spool=home.asterisk_spool,
            log=home.asterisk_log,
            run=home.asterisk_run,
            recordings=home.recordings_incoming,
            cel_file=home.cel,
            music=home.asterisk_lib / "moh",
        ),
        bind=settings.bind,
        sip_port=settings.sip_port,
        agi_port=settings.agi_port,
        ami_port=settings.ami_port,
        http_port=settings.asterisk_http_port,
        tls=_tls(settings, home),
        nat=_nat(settings),
        rtp_start=settings.rtp_start,
        rtp_end=settings.rtp_end,
        ami_secret=home.secrets().ami_secret,
        ami_phones_secret=home.secrets().ami_phones,
        lab_address=LAB_ADDRESS,
        area_code=city.area_code,
        trunk=config.Trunk.of(
            settings.trunk_peers,
            settings.trunk_register,
            codecs=tuple(settings.trunk_codecs.split(",")),
            dtmf=settings.trunk_dtmf,
        ),
        lines=tuple(config.PublishedLine(number=line.number, queue=line.queue) for line in city.lines),
        queues=tuple(
            config.QueueFacts.model_validate(
                {"name": queue.name, "strategy": queue.strategy, "ring_seconds": queue.ring_seconds}
            )
            for queue in city.queues
        ),
        phones=tuple(
            config.Phone.model_validate(
                {
                    "endpoint": one.endpoint,
                    "extension": one.extension,
                    "name": one.name,
                    "kind": one.kind,
                    "digest": one.digest,
                }
            )
            for one in staff
        ),
        guests=config.Guests(secret=home.secrets().guests, call_seconds=guests.CALL_SECONDS)
        if settings.guest_calls
        else None,
    )


def _tls(settings: Settings, home: Home) -> config.Tls | None:
    file = Keeper(home.tls).server
    return config.Tls(port=settings.asterisk_tls_port, file=file) if file.exists() else None


def _nat(settings: Settings) -> config.Nat | None:
    """What a router before us makes of our addresses; None when nothing is said of one."""
    if not settings.external_address:
        return None
    nets = [ipaddress.ip_network(net.strip()) for net in settings.local_nets.split(",") if net.strip()]
    bind = ipaddress.ip_address(settings.bind)
    mine = [ipaddress.ip_address(one) for one in machine_addresses()] if bind.is_unspecified else [bind]
    version = ipaddress.ip_address(settings.external_address).version
    inside = [one for one in mine if one.version == version and any(one in net for net in nets)]
    return config.Nat(
        external=settings.external_address,
        local_nets=tuple(map(str, nets)),
        hosts=tuple(str(one) for one in inside if not one.is_loopback),
    )


def take_up_certificate(settings: Settings, home: Home) -> list[str]:
    """Have a running Asterisk serve the certificate in the home; words for the operator. No call is dropped.

    The desk looks for itself (hotline/door.py).
    """
    server = asterisk(settings, home)
    if not server.adopt():
        return ["Asterisk does not run: it reads the certificate when it starts"]
    changed = render_config(settings, home, database_url(settings, home), policy(settings), server.binary)
    # A renewed certificate lies in a file of the same name: nothing changed in http.conf.
    return reload(server, [*changed, home.asterisk_etc / "http.conf"])


def reload(server: AsteriskServer, changed: list[Path]) -> list[str]:
    """Have a running Asterisk take up the changed files; words for the operator. No call is dropped."""
    if not server.adopt():
        return ["Asterisk does not run: it reads the files when it starts"]
    told = []
    rendered = [path for path in changed if path.parent == server.config.parent]
    for command in config.reload_commands(rendered):
        server.cli(command)
        told.append(f"told Asterisk: {command}")
    if any(path.parent.name == "moh" for path in changed):
        server.cli("moh reload")
    late = config.needs_restart(rendered)
    if late:
        told.append(f"only at Asterisk's next start: {', '.join(path.name for path in late)}")
    return told or ["nothing to tell Asterisk"]


def _told(place: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, place)) or 'configuration'}: {message.removeprefix('Value error, ')}"


def first_link(settings: Settings, home: Home) -> str:
    """A fresh address that makes the first administrator once, within an hour; '' when somebody is here."""
    with (
        closing(Database(database_url(settings, home), pool_size=1)) as database,
        database.session() as session,
    ):
        token = first.new_link(session)
    return f"{desk_address(settings, home)}/first/{token}" if token else ""


def is_demo(url: str) -> bool:
    """Is it the demo city that works here?"""
    with closing(Database(url, pool_size=1)) as database, database.session() as session:
        return people.is_demo(session)


# -- the first start ------------------------------------------------------------------------------


def prepare_database(settings: Settings, home: Home, city: Policy, *, with_demo: bool = True) -> bool:
    """Newest shape; into an empty one goes the demo city, if wanted. True when it did."""
    from storage import migrate  # the migrations' own library: one start in many needs it

    url, owner = database_url(settings, home), owner_url(settings, home)
    keyring.begin(owner, datetime.now(UTC))
    home.hand_over()
    try:
        migrate.upgrade(owner, application=make_url(url).username or "")
    except ProgrammingError as why:
        if not isinstance(why.orig, InsufficientPrivilege):
            raise
        told = str(why.orig).splitlines()[0]
        raise WiringError(
            f"HOTLINE_DATABASE_URL: its role may not change the tables' shape ({told}): "
            "name their owner in HOTLINE_DATABASE_OWNER_URL, see docs/howto/own-database.md"
        ) from why
    with closing(Database(url, pool_size=1)) as database, database.session(SEED_SECONDS) as session:
        keyring.register(session)
        keyring.prove(session)
        calendar.seed(session, city)
        units.sync(session, city.units)
    return with_demo and lay_out_demo(owner, home, city)


def lay_out_demo(url: str, home: Home, city: Policy) -> bool:
    """A small believable city, if nobody is there yet. True when it was laid out.

    `url`: of the tables' owner, who may date what is past. Its recordings lie in the home, prepared before,
    until the ledger takes them in.
    """
    from hotline import demo

    with closing(Database(url, pool_size=1)) as database:
        laid_out = demo.lay_out(database, city, home.recordings_incoming)
    if laid_out:
        home.hand_over()
    return laid_out


def logins(url: str) -> list["Login"]:
    """The demo's people who still have their demo password; none in a city of the operator's own."""
    from hotline import demo

    with closing(Database(url, pool_size=1)) as database:
        return demo.logins(database)
