"""`hotline check`: is everything in order? One line a subject, each fault with its remedy."""

import ipaddress
import json
import re
import ssl
import stat
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from cases import alarms, people
from hotline import drain, ground, health, logs, microphone, wiring
from hotline.alarms import BY_NAME
from hotline.cert import Keeper
from hotline.home import Home
from hotline.settings import CHECKOUT, Settings, SettingsError, load
from routing.policy import Policy
from storage import keyring, migrate
from storage.database import Database, DatabaseAway
from storage.vault import installed
from telephony.ami import AmiError, AmiLink
from telephony.asterisk import AsteriskServer
from web.messages import Catalogue

PATIENCE_SECONDS = 5.0
NOT_UP = "start it: hotline up"
BUNDLES = {
    "agents/static/built/phone.js": "the phone",
    "doors/static/built/call.js": "the public page",
    "web/static/built/htmx.min.js": "the pages' script",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`told` says what was found; a fault has a remedy."""

    subject: str
    ok: bool
    told: str
    remedy: str = ""


def run(*, as_json: bool) -> int:
    """Print the findings; 0 when all is in order, else 1."""
    logs.configure("check", "ERROR")  # the findings say it, not the log of those who were asked
    return show(_findings(), as_json=as_json)


def show(told: Iterable[Finding], *, as_json: bool) -> int:
    """Print findings as they come, or all as one JSON document; 0 when all is in order, else 1."""
    findings = []
    console = Console(highlight=False, soft_wrap=True)
    for one in told:
        findings.append(one)
        if not as_json:
            mark = "[green]ok   [/]" if one.ok else "[red]fault[/]"
            remedy = f" — {one.remedy}" if one.remedy else ""
            console.print(f"{mark} {one.subject:10} {escape(one.told + remedy)}")
    if as_json:
        print(
            json.dumps(
                {"ok": all(f.ok for f in findings), "findings": [asdict(f) for f in findings]}, indent=1
            )
        )
    return 0 if all(finding.ok for finding in findings) else 1


def _findings() -> Iterator[Finding]:
    try:
        settings = load()
    except SettingsError as why:
        for line in str(why).splitlines():
            fault, _, remedy = line.rpartition("; ")
            yield Finding("settings", False, fault, remedy)
        return
    home = Home(settings.home)
    yield Finding("settings", True, f"home {home.path}")
    yield from _foreseen("policy", lambda: _policy(settings, home))
    yield from _foreseen("home", lambda: _home(home))
    yield from _foreseen("database", lambda: _database(wiring.database_url(settings, home)))
    yield from _foreseen("keys", lambda: _keys(wiring.database_url(settings, home)))
    yield from _foreseen("alarm", lambda: _alarms(wiring.database_url(settings, home)))
    yield from _foreseen("people", lambda: _people(settings, home))
    yield from _foreseen("people", lambda: _places(settings, home))
    yield from _foreseen("asterisk", lambda: _asterisk(wiring.asterisk(settings, home)))
    yield from _foreseen("manager", lambda: _manager(settings, home))
    yield from _foreseen("menu", lambda: _menu(settings))
    yield from _drain(home)
    yield from _foreseen("desk", lambda: _desk(settings, home))
    yield from _foreseen("microphone", lambda: _microphone(settings, home))
    yield from _foreseen("ports", lambda: _ports(settings, home))
    yield from _bundles()


def _foreseen(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds; a fault that its parts know how to tell becomes a finding."""
    try:
        yield from look()
    except wiring.FORESEEN as why:
        for line in str(why).splitlines():
            fault, _, remedy = line.rpartition(": ")
            yield Finding(subject, False, fault or line, remedy if fault else "")


def _policy(settings: Settings, home: Home) -> Iterator[Finding]:
    city: Policy = wiring.policy(settings)
    yield Finding("policy", True, f"{city.name}: {len(city.lines)} lines, {len(city.kinds)} kinds")
    if city.privacy is None:
        remedy = "add [privacy] to the policy, as the cities that come with it have it"
        yield Finding("privacy", False, "callers are not told for how long calls are kept", remedy)
    voice = wiring.prompts(settings, home, city)
    silent, stale = voice.missing(), voice.stale()
    if silent:
        yield Finding("prompts", False, f"nobody hears {', '.join(silent)}", "run script/voices")
    if stale:
        yield Finding("prompts", False, f"other words than the text: {', '.join(stale)}", "run script/voices")
    for fault in voice.faults():
        yield Finding("prompts", False, fault)
    if not (silent or stale or voice.faults()):
        yield Finding("prompts", True, f"{len(voice.all())} recorded")


def _home(home: Home) -> Iterator[Finding]:
    home.prepare()
    open_to_others = [
        file
        for file in (home.path / "secrets.json", home.env_file)
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
    for file in open_to_others:
        yield Finding("home", False, f"{file} can be read by others", f"chmod 600 {file}")
    free = ground.free_mib(home.path)
    least = ground.COMFORTABLE_FREE_MIB
    if free < least:
        yield Finding("disk", False, f"{free} MiB free", f"make room: {least} MiB keep recordings going")
    else:
        yield Finding("disk", True, f"{free} MiB free")


def _database(url: str) -> Iterator[Finding]:
    try:
        found, newest = migrate.current(url), migrate.newest()
        if found != newest:
            yield Finding("database", False, f"shape {found}, newest is {newest}", "hotline migrate")
            return
        too_much = migrate.excess(url)
        if too_much:
            remedy = "give the hotline a role of its own: docs/howto/own-database.md"
            yield Finding("database", False, f"{too_much}: nothing keeps it from the journal", remedy)
        else:
            yield Finding("database", True, f"answers, shape {found}")
        with closing(Database(url, pool_size=1)) as database, database.session() as session:
            ticks = health.clock_ticks(session)
    except DatabaseAway as why:
        yield Finding("database", False, str(why).strip().splitlines()[0], NOT_UP)
        return
    yield Finding("clock", ticks, "ticks" if ticks else "does not tick", "" if ticks else NOT_UP)


def _keys(url: str) -> Iterator[Finding]:
    """Whatever the database was sealed with has to be here, and be right."""
    vault = installed()
    ring = vault.ring()
    try:
        with closing(Database(url, pool_size=1)) as database, database.session() as session:
            keyring.prove(session)
    except (DatabaseAway, SQLAlchemyError):
        return  # told already
    yield Finding("keys", True, f"{len(ring)} in {vault.folder}, {vault.current} seals")


def _alarms(url: str) -> Iterator[Finding]:
    """What the clock has raised; one that is of the day (nobody is ready) is no fault of the installation."""
    t = Catalogue("en", [CHECKOUT / "web/messages"])
    try:
        with closing(Database(url, pool_size=1)) as database, database.session() as session:
            raised = alarms.raised(session)
    except (DatabaseAway, SQLAlchemyError):
        return  # told already
    for one in raised:
        told, remedy = t(f"alarm.{one.name}.title", **one.detail), t(f"alarm.{one.name}.remedy")
        ok = one.name in BY_NAME and not BY_NAME[one.name].fault
        yield Finding("alarm", ok, f"{told}, since {one.at:%Y-%m-%d %H:%M} UTC", remedy)


def _people(settings: Settings, home: Home) -> Iterator[Finding]:
    """A password that everybody can read in our sources is for the demo city, on this machine only."""
    url = wiring.database_url(settings, home)
    try:
        known, is_demo = [one.user for one in wiring.logins(url)], wiring.is_demo(url)
    except (DatabaseAway, SQLAlchemyError):
        return  # told already
    if not known:
        return
    who = f"{', '.join(known)} log in with the demo's password"
    if not is_demo:
        yield Finding(
            "people", False, f"{who}, and this is no demo", "hotline people password gives them others"
        )
    elif not settings.demo:
        remedy = "begin with an empty HOTLINE_HOME, or let HOTLINE_DEMO be true"
        yield Finding("people", False, f"{who}, though HOTLINE_DEMO is false", remedy)
    elif not ipaddress.ip_address(settings.bind).is_loopback:
        remedy = "change these passwords, or set HOTLINE_BIND to 127.0.0.1"
        yield Finding("people", False, f"{who}, from the network", remedy)


def _places(settings: Settings, home: Home) -> Iterator[Finding]:
    """Who sees by a unit or a number that the policy has no more sees less and less."""
    published = [line.number for line in wiring.policy(settings).lines]
    try:
        url = wiring.database_url(settings, home)
        with closing(Database(url, pool_size=1)) as database, database.session() as session:
            found = people.misplaced(session, published)
    except (DatabaseAway, SQLAlchemyError):
        return  # told already
    if found:
        told = f"{', '.join(found)}: their unit or number is not in the policy"
        yield Finding("people", False, told, "hotline people place gives them another")


def _asterisk(server: AsteriskServer) -> Iterator[Finding]:
    binary = server.binary
    told = f"{binary.version} ({binary.origin})"
    if not server.adopt():
        yield Finding("asterisk", False, f"{told} does not run", NOT_UP)
        return
    yield Finding("asterisk", True, f"{told} runs, pid {server.pid}, calls up: {server.calls}")
    for line in server.cli("pjsip show registrations").splitlines():
        if found := re.match(r"\s*trunk/sip:(\S+)\s.*\s(Registered|Rejected|Unregistered|Stopped)\b", line):
            yield _trunk(*found.groups())


def _trunk(carrier: str, state: str) -> Finding:
    """How a carrier that wants us to register stands to us, by Asterisk's word for it."""
    if state == "Registered":
        return Finding("trunk", True, f"registered with {carrier}")
    if state == "Rejected":
        remedy = "correct HOTLINE_TRUNK_REGISTER, then run hotline config --reload"
        return Finding("trunk", False, f"{carrier} refuses our user or password", remedy)
    remedy = "see that HOTLINE_TRUNK_REGISTER names it rightly and no firewall stands between"
    return Finding("trunk", False, f"{carrier} does not answer our registration", remedy)


def _manager(settings: Settings, home: Home) -> Iterator[Finding]:
    link = AmiLink("127.0.0.1", settings.ami_port, wiring.AMI_USER, home.secrets().ami_secret, watch=False)
    link.start()
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while not link.connected and not link.figures.faults and time.monotonic() < until:
            time.sleep(0.02)
        link.action("Ping")
        yield Finding("manager", True, f"lets us in at port {settings.ami_port}")
    except AmiError as why:
        refused = "AmiSecretWrong" in link.figures.faults
        told = "refuses our secret" if refused else str(why)
        remedy = "hotline config --reload" if refused else NOT_UP
        yield Finding("manager", False, f"port {settings.ami_port}: {told}", remedy)
    finally:
        link.stop()


def _menu(settings: Settings) -> Iterator[Finding]:
    try:
        ours = health.menu_answers(settings.agi_port, PATIENCE_SECONDS)
    except OSError as why:
        yield Finding("menu", False, f"port {settings.agi_port}: {why}", NOT_UP)
        return
    if ours:
        yield Finding("menu", True, f"answers at port {settings.agi_port}")
        return
    told = f"port {settings.agi_port} is answered by another program"
    yield Finding("menu", False, told, "set HOTLINE_AGI_PORT to a port of its own")


def _drain(home: Home) -> Iterator[Finding]:
    """A drain that was forgotten keeps callers from the menu, and complaints from their seal."""
    if drain.is_on(home):
        remedy = "restart the roles, or hotline drain --off"
        yield Finding("drain", False, "new callers go past the menu: an upgrade is about to happen", remedy)


def _desk(settings: Settings, home: Home) -> Iterator[Finding]:
    scheme = "https" if Keeper(home.tls).server.exists() else "http"
    host = "127.0.0.1" if ipaddress.ip_address(settings.bind).is_unspecified else settings.bind
    address = f"{scheme}://{wiring.authority(host, settings.web_port)}/login"
    blind = ssl.create_default_context()  # names and certificates are looked at as "microphone"
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_SECONDS, context=blind) as reply:  # noqa: S310
            yield Finding("desk", True, f"{address} answers {reply.status}")
    except OSError as why:
        yield Finding("desk", False, f"{address}: {why}", NOT_UP)


def _microphone(settings: Settings, home: Home) -> Iterator[Finding]:
    for seen in microphone.look(settings, home):
        yield Finding("microphone", not seen.remedy, seen.told, seen.remedy)


def _ports(settings: Settings, home: Home) -> Iterator[Finding]:
    """Ports matter before a start; while the hotline is up they are rightly taken."""
    try:
        with ground.only_one(home):
            running = wiring.asterisk(settings, home).pid is not None
            faults = ground.taken(p for p in ground.ports(settings) if not (running and p.asterisks))
    except ground.GroundError:
        yield Finding("ports", True, "in use by the hotline itself")
        return
    for fault in faults:
        told, _, remedy = fault.partition(": ")
        yield Finding("ports", False, told, remedy)
    if not faults:
        yield Finding("ports", True, "free")


def _bundles() -> Iterator[Finding]:
    missing = [f"{name} ({path})" for path, name in BUNDLES.items() if not Path(CHECKOUT, path).is_file()]
    if missing:
        yield Finding("scripts", False, f"not built: {', '.join(missing)}", "run script/setup")
    else:
        yield Finding("scripts", True, "built")
