"""Joins the ways out (doors/) to what is owed (cases/sending.py), for the clock that sends it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from cases import notices, sending
from cases.notice_settings import Ways
from cases.sending import Post, Sender
from doors.mail import Mail
from doors.sms import Gateway, Sms
from doors.webhook import Webhook
from hotline import wiring
from hotline.home import Home
from hotline.settings import CHECKOUT, Settings
from routing.policy import Policy
from storage.database import Database
from web.messages import LANGUAGES, Catalogue

SEND_SECONDS, PLAN_SECONDS = 5, 2
MESSAGES = tuple(CHECKOUT / room / "messages" for room in ("web", "agents"))


def ways(settings: Settings) -> Ways:
    """What people may choose from."""
    hosts = tuple(settings.webhook_hosts.split(",")) if settings.webhook_hosts else ()
    set_up = {"email": settings.smtp_host, "sms": settings.sms_url, "webhook": hosts}
    return Ways(tuple(channel for channel, how in set_up.items() if how), hosts)


def senders(settings: Settings, city: Policy) -> dict[str, Sender]:
    """By channel."""
    able = ways(settings)
    mail = Mail(
        settings.smtp_host,
        settings.smtp_port,
        settings.smtp_security,
        settings.smtp_from,
        settings.smtp_user,
        settings.smtp_password,
    )
    gateway = Gateway(
        settings.sms_url,
        settings.sms_template,
        settings.sms_form,
        settings.sms_authorization,
        settings.sms_ok,
    )
    all_: dict[str, Sender] = {
        "email": mail,
        "sms": Sms(gateway, settings.sms_signature or city.name),
        "webhook": Webhook(able.hosts),
    }
    return {channel: all_[channel] for channel in able.channels}


def plan(settings: Settings, city: Policy, database: Database) -> None:
    """Turn what is due into notices, batch after batch. Raises DatabaseAway."""
    channels = ways(settings).channels
    while True:
        with database.session() as session:
            if not notices.plan(session, city, channels, datetime.now(UTC)):
                return


def sending_sweeps(
    settings: Settings, home: Home, city: Policy, database: Database
) -> Iterator[tuple[str, "partial[int]"]]:
    """One by channel, so that a slow one holds up no other."""
    says = {language: Catalogue(language, MESSAGES) for language in LANGUAGES}
    desk = settings.desk_url or wiring.desk_address(settings, home)
    for channel, sender in senders(settings, city).items():
        post = Post({channel: sender}, city, says, desk)
        yield f"notices by {channel}", partial(sending.turn, database, post, lambda: datetime.now(UTC))
