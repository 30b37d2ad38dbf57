"""Notices to group robots: the text message that WeCom and DingTalk both take, and any gateway of one's own.

WeCom: POST https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…, at most 2048 bytes, 20 a minute.
DingTalk: POST https://oapi.dingtalk.com/robot/send?access_token=…; with a secret the address carries
`timestamp` (milliseconds) and `sign`, HMAC-SHA256 over "timestamp\\nsecret" in Base64. Both answer 200 with
`errcode`, which is 0 when it is well. Neither knows a repeated message: one that was interrupted may
stand twice in the group. Others get the message's key as `id`, to know it by.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from cases.notice_settings import may_go_to
from cases.sending import NotSent, Outgoing, PerhapsSent
from doors.http import post

MOST_BYTES = 2048
ROBOTS = ("qyapi.weixin.qq.com", "oapi.dingtalk.com")
BUSY = frozenset({-1, 45009, 130101})  # come again: WeCom's frequency, DingTalk's
SIGNATURE = frozenset({310000})  # also a word or an address that the robot's settings want


@dataclass(frozen=True, slots=True)
class Webhook:
    """A sender (cases/sending.Sender). `hosts`: where the operator lets messages go."""

    hosts: tuple[str, ...]
    clock: Callable[[], float] = time.time
    repeatable: ClassVar[bool] = True  # by its id; in a robot's group twice is better than never

    def send(self, message: Outgoing) -> int:
        """Raises NotSent, PerhapsSent."""
        if not may_go_to(message.address, self.hosts):
            raise NotSent("unsafe", final=True)
        form: dict[str, object] = {"msgtype": "text", "text": {"content": clipped(message.text)}}
        if urlsplit(message.address).hostname not in ROBOTS:
            form["id"] = message.key
        address = signed(message.address, message.secret, self.clock()) if message.secret else message.address
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message.key}
        answer = post(address, json.dumps(form, ensure_ascii=False).encode(), headers)
        _judge(answer.status, answer.body)
        return 1


def signed(address: str, secret: str, at: float) -> str:
    """The address with DingTalk's signature; `at` in seconds since 1970."""
    timestamp = str(round(at * 1000))
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    query = urlencode({"timestamp": timestamp, "sign": base64.b64encode(mac).decode()})
    return f"{address}{'&' if urlsplit(address).query else '?'}{query}"


def clipped(text: str) -> str:
    """What fits, cut between lines where that can be."""
    if len(text.encode()) <= MOST_BYTES:
        return text
    short = text.encode()[: MOST_BYTES - 4].decode(errors="ignore")
    return f"{short.rpartition(chr(10))[0] or short}\n…"


def _judge(status: int, body: bytes) -> None:
    """Raises NotSent, PerhapsSent."""
    if status == 429:
        raise NotSent("busy", final=False)
    if status >= 500:
        raise PerhapsSent("refused")
    if status >= 300:
        raise NotSent("refused", final=True)
    try:
        told = json.loads(body)
    except ValueError:
        return  # another house's own way to say that it is well
    code = told.get("errcode", 0) if isinstance(told, dict) else 0
    if code in BUSY:
        raise NotSent("busy", final=False)
    if code:
        raise NotSent("signature" if code in SIGNATURE else "refused", final=True)
