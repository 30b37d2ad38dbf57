"""Text messages by a carrier. Carriers differ: each is a `SmsPort`, and the first is any HTTP gateway."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import ClassVar, Literal, Protocol
from urllib.parse import quote

from cases.sending import NotSent, Outgoing, PerhapsSent
from doors.http import post

ONE_PART, EACH_PART = 70, 67  # UTF-16 units; a longer text loses three a part to say which it is
MOST_PARTS = 6

Form = Literal["json", "form"]


class SmsPort(Protocol):
    """One carrier. `number` is E.164. It returns when the carrier took it, else raises what it knows."""

    def send(self, number: str, text: str, key: str) -> None:
        """Raises NotSent when it surely did not leave, PerhapsSent when nobody can tell."""
        ...


@dataclass(frozen=True, slots=True)
class Sms:
    """A sender (cases/sending.Sender). Carriers want each text signed: 【signature】."""

    port: SmsPort
    signature: str
    repeatable: ClassVar[bool] = False  # a second text is a second text

    def send(self, message: Outgoing) -> int:
        """Raises NotSent, PerhapsSent."""
        text = f"【{self.signature}】{message.text}"
        count = parts(text)
        if count > MOST_PARTS:
            raise NotSent("too_long", final=True)
        self.port.send(message.address, text, message.key)
        return count


def parts(text: str) -> int:
    """How many messages a carrier makes of a Chinese text (UCS-2), signature included."""
    units = len(text.encode("utf-16-le")) // 2
    return 1 if units <= ONE_PART else ceil(units / EACH_PART)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A carrier's HTTP gateway. `template`: the body with {number}, {local}, {text} and {key} in it, each put
    in as the form wants; `ok`: what the answer to a message that was taken contains, or ''."""

    address: str
    template: str
    form: Form = "json"
    authorization: str = ""
    ok: str = ""

    def send(self, number: str, text: str, key: str) -> None:
        """Raises NotSent, PerhapsSent."""
        values = {"number": number, "local": number.removeprefix("+86"), "text": text, "key": key}
        body = filled(self.template, self.form, values)
        kind = "application/json" if self.form == "json" else "application/x-www-form-urlencoded"
        headers = {"Content-Type": f"{kind}; charset=utf-8"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        answer = post(self.address, body.encode(), headers)
        if answer.status >= 500:
            raise PerhapsSent("refused")
        if answer.status == 429:
            raise NotSent("busy", final=False)
        if answer.status >= 300:
            raise NotSent("refused", final=True)
        if self.ok and self.ok not in answer.body.decode(errors="replace"):
            raise NotSent("refused", final=True)


def filled(template: str, form: Form, values: Mapping[str, str]) -> str:
    """The template with its places filled; its own braces, of which JSON has many, stay."""

    def told(place: re.Match[str]) -> str:
        value = values[place[1]]
        return json.dumps(value, ensure_ascii=False)[1:-1] if form == "json" else quote(value, safe="")

    return re.sub(rf"{{({'|'.join(values)})}}", told, template)
