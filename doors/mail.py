"""Notices by e-mail: SMTP with a limit on every wait, over TLS unless the server is this machine's own."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import ClassVar, Literal

from cases.sending import NotSent, Outgoing, PerhapsSent

Security = Literal["starttls", "tls", "none"]
LIMIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Mail:
    """A sender (cases/sending.Sender)."""

    host: str
    port: int
    security: Security
    sender: str
    user: str = ""
    password: str = ""
    repeatable: ClassVar[bool] = True  # by its Message-ID

    def send(self, message: Outgoing) -> int:
        """Raises NotSent, PerhapsSent."""
        letter = self._letter(message)
        try:
            server = self._connect()
        except ssl.SSLError as why:
            raise NotSent("tls", final=False) from why
        except (OSError, smtplib.SMTPException) as why:
            raise _refused(why) from why
        try:
            server.send_message(letter)
        except smtplib.SMTPResponseException as why:
            raise _refused(why) from why
        except smtplib.SMTPRecipientsRefused as why:
            code, _ = next(iter(why.recipients.values()))
            raise NotSent("address", final=code >= 500) from why
        except (OSError, smtplib.SMTPException) as why:  # silence after the last dot
            raise PerhapsSent("timeout") from why
        finally:
            with suppress(OSError, smtplib.SMTPException):  # taken is taken, however it says good-bye
                server.quit()
            server.close()
        return 1

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=LIMIT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=LIMIT_SECONDS)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _letter(self, message: Outgoing) -> EmailMessage:
        letter = EmailMessage()
        domain = self.sender.rpartition("@")[2]
        letter["Message-ID"] = f"<{message.key}@{domain}>"
        letter["Date"] = formatdate()
        letter["From"], letter["To"] = self.sender, message.address
        letter["Subject"] = message.subject
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
        letter.set_content(message.text)
        return letter


def _refused(why: Exception) -> NotSent:
    """The server's own word, or none at all: it surely did not take the message."""
    if isinstance(why, smtplib.SMTPAuthenticationError):
        return NotSent("login", final=False)
    if isinstance(why, smtplib.SMTPResponseException):
        return NotSent("refused", final=why.smtp_code >= 500)
    if isinstance(why, smtplib.SMTPNotSupportedError):
        return NotSent("tls", final=False)
    return NotSent("unreachable", final=False)
