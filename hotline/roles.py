"""The roles, each a process of its own: `ivr` answers, `desk` shows; `clock` is in clock.py."""

import contextlib
import gc
import resource
import signal
import threading
from functools import partial

import structlog

from cases.deadlines import load_calendar
from hotline import drain, figures, logs, wiring
from hotline.cert import Keeper
from hotline.health import CHECK_SCRIPT, readiness
from hotline.heart import BEAT_SECONDS, Heart
from hotline.home import Home
from hotline.settings import Settings
from ivr.answering import Answering, prompt_seconds
from ivr.outgoing import Outgoing
from ivr.spool import Spool
from storage.database import Database
from storage.notify import listen
from telephony.agi_server import AgiServer
from telephony.agi_wire import Request
from telephony.ami import AmiLink
from telephony.line import Line

LOOPBACK = "127.0.0.1"
MOST_FILES = 65_536
LONGEST_FRAME = 16_384  # bytes, of a guest's phone on the public page
GRACE_SECONDS = 3  # for requests under way when the desk stops

log = structlog.get_logger(__name__)


def run(role: str, settings: Settings, home: Home) -> None:
    """Be `role` until SIGTERM or Ctrl-C."""
    logs.configure(role, settings.log_level, settings.log_format)
    home.prepare()
    figures.note_start(home, role)
    figures.write_for_ever(home, role)
    stop, heart = threading.Event(), Heart()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    {"ivr": ivr, "desk": desk, "clock": clock}[role](settings, home, stop, heart)
    log.info("stopped")


def ivr(settings: Settings, home: Home, stop: threading.Event, heart: Heart) -> None:
    """Answers Asterisk's AGI; also without the database."""
    _many_files()
    database = Database(wiring.database_url(settings, home))
    answering = Answering(database, wiring.policy(settings), Spool(home.spool), load_calendar)

    outgoing = Outgoing(database, wiring.policy(settings))

    def unless_draining(line: Line, request: Request) -> None:
        """Without an answer of ours the dialplan's own queue takes the call."""
        if not drain.is_on(home):
            answering(line, request)

    drain.end(home, database)
    server = AgiServer(
        LOOPBACK,
        settings.agi_port,
        {"inbound": unless_draining, "outgoing": outgoing, CHECK_SCRIPT: _here},
        prompt_seconds=prompt_seconds(home.asterisk_lib / "sounds"),
        each_round=heart.beat,
    )
    server.start()
    log.info("answering", port=settings.agi_port)
    stop.wait()
    heart.stopping()
    server.stop()
    database.close()


def clock(settings: Settings, home: Home, stop: threading.Event, heart: Heart) -> None:
    """What happens by itself."""
    from hotline import clock

    clock.run(settings, home, stop, heart)


def _here(_line: Line, _request: Request) -> None:
    """Somebody asks whether we are here (hotline/health.py): the greeting was the answer."""


def desk(settings: Settings, home: Home, stop: threading.Event, heart: Heart) -> None:
    """The web desk, with a link of its own to tell Asterisk what agents want."""
    import uvicorn

    from hotline import door, post
    from web.app import create_app
    from web.services import Operations, PhoneServer, Services

    keeper = Keeper(home.tls)
    tls = door.context(keeper.server) if keeper.held() else None
    database = Database(wiring.database_url(settings, home))
    link = AmiLink(LOOPBACK, settings.ami_port, wiring.AMI_USER, home.secrets().ami_secret, watch=False)
    phone_secrets = wiring.phone_secrets(settings, home)
    city = wiring.policy(settings)
    services = Services(
        database=database,
        policy=city,
        recordings=home.recordings_kept,
        attachments=home.attachments,
        ami=link,
        phone=PhoneServer(settings.asterisk_http_port, settings.asterisk_tls_port),
        authority=keeper.ca,
        notes=partial(listen, database.url, stop),
        operations=Operations(
            ready=readiness(database, link, settings.agi_port),
            metrics=figures.Figures(home, database).text,
            readers=settings.metrics_readers,
            is_draining=partial(drain.is_on, home),
        ),
        totp_roles=settings.second_step_roles,
        ways=post.ways(settings),
        phone_secrets=phone_secrets,
    )

    async def at_work() -> None:
        heart.beat()

    server = uvicorn.Server(
        uvicorn.Config(
            create_app(services, wiring.rooms(settings, home, city, link, lambda: server.should_exit)),
            host=settings.bind,
            port=settings.web_port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            ws_max_size=LONGEST_FRAME,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            http=door.speaking(tls) if tls else "auto",
            loop="asyncio" if tls else "auto",
            callback_notify=at_work,  # on the event loop, once it serves
            timeout_notify=int(BEAT_SECONDS),
        )
    )
    leave = partial(setattr, server, "should_exit", True)
    look = partial(door.watch, keeper.server, tls, stop, leave)
    threading.Thread(target=look, name="certificate", daemon=True).start()
    link.start()
    phone_secrets.start()
    gc.freeze()  # what is loaded now stays: no need to look through it while a phone rings
    server.run()
    heart.stopping()
    stop.set()
    link.stop()
    phone_secrets.stop()
    database.close()


def _many_files() -> None:
    """Each live call holds a socket; systems allow 1024 files at first, and more when asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if most > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
