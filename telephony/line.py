"""One live call's AGI line: pyst2's verbs on a transport that cannot be injected into or hang.

Here are the words of `telephony/words.py` spoken on a real channel. What to say is decided
in `ivr/`; who is connected is `telephony/agi_server.py`'s business.
"""

import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import structlog
from asterisk.agi import AGI, AGIAppError, AGIError, AGIHangup, AGIInvalidCommand, AGIUsageError

from telephony.agi_wire import Lines, Reply, Request, WireError, command_line, parse_reply, quote
from telephony.words import Answer, Ask, Gone, Pressed, Said, Say, Silent, Speak, Word

ALL_KEYS = "0123456789*#"
SWITCH_MARGIN_SECONDS = 5.0  # how long the caller may hear nothing before the dialplan takes over
COMMAND_SECONDS = 10.0  # a command that plays nothing answers at once or never
MAX_USAGE_LINES = 100
UP = 6

Given = TypeVar("Given")
PromptSeconds = Callable[[str, str], float]


def assume_prompt_seconds(_language: str, _prompt: str) -> float:
    """A length no prompt of ours reaches, for callers that do not know better."""
    return 30.0


class LineError(AGIError):  # type: ignore[misc]  # pyst2 has no types
    """The line is of no more use: Asterisk fell silent or broke the protocol."""


class Line(AGI):  # type: ignore[misc]
    """A safe AGI line over a connected socket; everything pyst2's AGI class can say, it can say.

    Raises AGIHangup when the channel is gone, LineError when Asterisk is, UnsafeArgument
    before anything doubtful is sent.
    """

    def __init__(
        self,
        sock: socket.socket,
        request: Request,
        prompt_seconds: PromptSeconds = assume_prompt_seconds,
        prompt_folder: str = "hotline",
    ) -> None:
        # Not super().__init__(): it takes over SIGHUP and reads the header from standard input.
        self.request = request
        self.env = request.env
        self.language = request.env.get("agi_language", "")
        self._sock = sock
        self._lines = Lines()
        self._prompt_seconds = prompt_seconds
        self._prompt_folder = prompt_folder
        self._patience_seconds = COMMAND_SECONDS
        self._gone = False
        self._log = structlog.get_logger(__name__)

    def greet(self) -> None:
        """Make sure that the header had ended where it seemed to. Raises LineError.

        A caller's name with an empty line in it ends the header early, with arguments of the caller's
        choosing; what then follows reads as replies. Only Asterisk can echo a word made up just now.
        """
        nonce = secrets.token_hex(8)
        if self.get_full_variable(nonce) != nonce:
            raise LineError("the header was not Asterisk's own")

    # What dialogues use.

    def speak(self, word: Word) -> Answer:
        """Speak one word and wait for its answer; a caller who has hung up is Gone, never an exception."""
        try:
            if isinstance(word, Say):
                return self._say(word)
            if isinstance(word, Ask):
                return self._ask(word)
            return self._switch(word)
        except AGIHangup:
            return Gone()

    def renew_switch(self, busy_seconds: float = 0.0) -> None:
        """Give us `busy_seconds` more and a margin before the dialplan takes the call from us."""
        self.set_variable("TIMEOUT(absolute)", round(busy_seconds + SWITCH_MARGIN_SECONDS))

    def _say(self, word: Say) -> Answer:
        self.renew_switch(self._length(word.prompts))
        pressed = ""
        try:
            for prompt in word.prompts:
                key, samples = self._stream(prompt, "" if pressed else word.keys)
                if key:
                    pressed = key
                    self._stream(prompt, "", samples)
        except AGIHangup:
            if not pressed:  # what was pressed is a fact, even if the caller goes
                raise
        return Pressed(pressed) if pressed else Said()

    def _ask(self, word: Ask) -> Answer:
        self.renew_switch(self._length(word.prompts) + word.timeout_seconds)
        for prompt in word.prompts:
            key, _ = self._stream(prompt, ALL_KEYS)
            if key:
                return Pressed(key)
        self._patience_seconds = word.timeout_seconds + COMMAND_SECONDS
        pressed = self._up_or_gone(lambda: self.wait_for_digit(round(word.timeout_seconds * 1000)))
        return Pressed(pressed) if pressed else Silent()

    def _switch(self, word: Speak) -> Answer:
        self.set_variable("CHANNEL(language)", word.language)
        self.language = word.language
        return Said()

    def _length(self, prompts: tuple[str, ...]) -> float:
        return sum(self._prompt_seconds(self.language, prompt) for prompt in prompts)

    def _stream(self, prompt: str, escape_keys: str, from_sample: int = 0) -> tuple[str, int]:
        """The key that interrupted, or '', and at which sample. A missing sound is passed over."""
        self._patience_seconds = self._length((prompt,)) + COMMAND_SECONDS
        name = f"{self._prompt_folder}/{prompt}" if self._prompt_folder else prompt
        keys = self._process_digit_list(escape_keys)
        played = self._up_or_gone(lambda: self.execute("STREAM FILE", name, keys, from_sample)["result"])
        if played is None:
            self._log.warning("prompt_missing", prompt=name, language=self.language, **self._who())
            return "", 0
        key, samples = played
        if not (key.isdecimal() and (samples or "0").isdecimal()):
            raise LineError("Asterisk answered STREAM FILE with no key and no sample")
        return "" if key == "0" else chr(int(key)), int(samples or 0)

    def _up_or_gone(self, verb: Callable[[], Given]) -> Given | None:
        """The verb's answer, None if it failed on a live channel. -1 means either, so ask which it was."""
        try:
            return verb()
        except AGIHangup:
            raise
        except AGIAppError:
            if self.channel_status() != UP:
                self._hang_up("the channel is down")
            return None

    # Transport and quoting: what pyst2 gets wrong.

    def _quote(self, string: str | int | float) -> str:
        return quote(string)

    def send_command(self, command: str, *args: object) -> None:
        line = command_line(command, *args)
        try:
            self._sock.settimeout(COMMAND_SECONDS)
            self._sock.sendall(line)
        except TimeoutError as slow:
            raise LineError(f"Asterisk did not take a command within {COMMAND_SECONDS:.0f} s") from slow
        except OSError as cut:
            self._hang_up("the connection is cut", cut)

    def test_hangup(self) -> None:
        if self._gone:
            self._hang_up("the caller has hung up")

    def execute(self, command: str, *args: object) -> dict[str, tuple[str, str]]:
        """Send one command, read its reply: {'result': (value, data)}. Raises as the class says."""
        patience, self._patience_seconds = self._patience_seconds, COMMAND_SECONDS
        self.test_hangup()
        self.send_command(command, *args)
        return self._checked(command, self._reply(time.monotonic() + patience))

    def get_result(self, stdin: Any = None) -> dict[str, tuple[str, str]]:
        """One reply that is already under way."""
        del stdin
        return self._checked("", self._reply(time.monotonic() + COMMAND_SECONDS))

    def _reply(self, deadline: float) -> Reply:
        """The next reply, whole. HANGUP may come ahead of it: noted, and read past."""
        try:
            while (line := self._line(deadline)) == "HANGUP":
                self._gone = True
            reply, more = parse_reply(line)
            for _ in range(MAX_USAGE_LINES):
                if not more:
                    return reply
                # The text of a usage reply is free-form; its last line repeats the code with a space.
                more = not self._line(deadline).startswith(f"{reply.code} ")
        except WireError as broken:
            raise LineError(f"Asterisk sent {broken}") from broken
        raise LineError("Asterisk sent a usage text without an end")

    def _line(self, deadline: float) -> str:
        while (line := self._lines.next()) is None:
            self._receive(deadline)
        return line

    def _receive(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            chunk = self._sock.recv(4096)
        except TimeoutError as late:
            raise LineError("Asterisk did not answer a command in time") from late
        except OSError as cut:
            self._hang_up("the connection is cut", cut)
        if not chunk:
            self._hang_up("the connection is closed")
        self._lines.feed(chunk)

    def _checked(self, command: str, reply: Reply) -> dict[str, tuple[str, str]]:
        if reply.code == 511:
            self._hang_up("the channel is dead")
        if reply.code == 510:
            raise AGIInvalidCommand(f"Asterisk does not know {command}")
        if reply.code == 520:
            raise AGIUsageError(f"Asterisk wants {command} used otherwise")
        if reply.code != 200:
            raise LineError(f"Asterisk answered {command} with {reply.code}")
        if reply.result == "-1":
            raise AGIHangup(command) if self._gone else AGIAppError(command)
        return {"result": (reply.result, reply.data)}

    def _hang_up(self, why: str, cause: Exception | None = None) -> NoReturn:
        self._gone = True
        raise AGIHangup(why) from cause

    def _who(self) -> dict[str, str]:
        """What a log line says of this call: its id, never its number."""
        return {"call": self.request.args[0] if self.request.args else ""}
