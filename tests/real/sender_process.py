"""A process that plans and sends until it is killed: what the clock does, without the clock."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cases import notices, sending
from cases.sending import Post, Sender
from doors.mail import Mail
from doors.sms import Gateway, Sms
from doors.webhook import Webhook
from hotline.post import MESSAGES
from routing.policy import load
from storage import vault
from storage.database import Database
from web.messages import LANGUAGES, Catalogue

POLICY = Path(__file__).resolve().parents[2] / "policies" / "mianyang-962299.toml"
TEMPLATE = '{"mobile": "{local}", "content": "{text}", "id": "{key}"}'
LEASE = timedelta(seconds=2)


def send(url: str, keys: str, mail_port: int, web: str) -> None:
    """For ever. `web`: host and port of the house that takes posts."""
    vault.install(Path(keys))
    sending.LEASE = LEASE
    policy, database = load(POLICY), Database(url, pool_size=1)
    senders: dict[str, Sender] = {
        "email": Mail("127.0.0.1", mail_port, "none", "hotline@example.cn"),
        "webhook": Webhook((web,)),
        "sms": Sms(Gateway(f"http://{web}/sms", TEMPLATE), "热线"),
    }
    says = {language: Catalogue(language, MESSAGES) for language in LANGUAGES}
    post = Post(senders, policy, says, "https://desk.example.cn")
    while True:
        with database.session() as session:
            notices.plan(session, policy, list(senders), datetime.now(UTC), limit=3)
        sending.turn(database, post, lambda: datetime.now(UTC), most=3)
