"""The AGI line: words on a real socket, and a peer that misbehaves."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from asterisk.agi import AGIAppError, AGIHangup, AGIInvalidCommand, AGIUsageError
from structlog.testing import capture_logs

from telephony import line as line_module
from telephony.agi_wire import MAX_LINE_BYTES, Header, UnsafeArgument
from telephony.line import Line, LineError
from telephony.words import Ask, Gone, Pressed, Said, Say, Silent, Speak
from tests.telephony.fake_asterisk_agi import HANG_UP, SILENCE, FakeAsterisk, header


@contextmanager
def a_line(peer: Callable[[socket.socket], None]) -> Iterator[Line]:
    """A line whose other end is played by `peer` in a thread of its own."""
    ours, theirs = socket.socketpair()
    request = Header().feed(header())
    assert request is not None
    player = threading.Thread(target=peer, args=(theirs,), daemon=True)
    player.start()
    try:
        yield Line(ours, request, prompt_seconds=lambda _language, _prompt: 2.0)
    finally:
        ours.close()
        player.join(10)
        theirs.close()


def says(*replies: bytes) -> Callable[[socket.socket], None]:
    """A peer that answers command by command with these bytes, then closes."""

    def play(sock: socket.socket) -> None:
        commands = sock.makefile("rb")
        for reply in replies:
            if not commands.readline():
                return
            sock.sendall(reply)
        sock.shutdown(socket.SHUT_RDWR)

    return play


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "COMMAND_SECONDS", 0.3)


def test_each_word_renews_the_switch_before_it_is_spoken() -> None:
    asterisk = FakeAsterisk(keys=["1"])
    with a_line(asterisk.answer_all) as line:
        assert line.speak(Say(("notice",))) == Said()
        assert line.speak(Ask(("wrong_key", "menu"), "123", 5.0)) == Pressed("1")
    assert asterisk.commands == [
        'SET VARIABLE "TIMEOUT(absolute)" "7"',
        'STREAM FILE hotline/notice "" 0',
        'SET VARIABLE "TIMEOUT(absolute)" "14"',
        'STREAM FILE hotline/wrong_key "0123456789*#" 0',
        'STREAM FILE hotline/menu "0123456789*#" 0',
        "WAIT FOR DIGIT 5000",
    ]


def test_a_key_pressed_during_the_prompt_ends_it() -> None:
    with a_line(says(b"200 result=1\n", b"200 result=50 endpos=400\n")) as line:
        assert line.speak(Ask(("menu",), "12", 5.0)) == Pressed("2")


def test_a_key_pressed_while_something_must_be_heard_counts_and_the_rest_is_heard_from_there() -> None:
    sent: list[bytes] = []

    def asterisk(sock: socket.socket) -> None:
        commands = sock.makefile("rb")
        for reply in (b"200 result=1\n", b"200 result=50 endpos=400\n", b"200 result=0 endpos=8000\n"):
            sent.append(commands.readline())
            sock.sendall(reply)

    with a_line(asterisk) as line:
        assert line.speak(Say(("notice",), "12")) == Pressed("2")
    assert sent[1:] == [b'STREAM FILE hotline/notice "12" 0\n', b'STREAM FILE hotline/notice "" 400\n']


def test_a_key_is_a_fact_even_if_the_caller_goes_before_the_prompt_is_over() -> None:
    with a_line(says(b"200 result=1\n", b"200 result=51 endpos=400\n")) as line:
        assert line.speak(Say(("notice",), "123")) == Pressed("3")
        assert line.speak(Say(("connecting",))) == Gone()


@pytest.mark.parametrize("answer", [b"200 result=x endpos=1\n", b"200 result=50 (x)\n"])
def test_a_reply_that_names_no_key_ends_the_line(answer: bytes) -> None:
    with a_line(says(b"200 result=1\n", answer)) as line, pytest.raises(LineError):
        line.speak(Say(("notice",), "12"))


def test_nothing_pressed_is_silence() -> None:
    with a_line(FakeAsterisk(keys=[SILENCE]).answer_all) as line:
        assert line.speak(Ask(("menu",), "12", 5.0)) == Silent()


def test_speak_switches_the_language_of_the_channel() -> None:
    asterisk = FakeAsterisk()
    with a_line(asterisk.answer_all) as line:
        assert line.speak(Speak("en")) == Said()
    assert asterisk.variables == {"CHANNEL(language)": "en"}
    assert line.language == "en"


def test_a_hang_up_ahead_of_the_reply_does_not_shift_the_answers() -> None:
    with a_line(FakeAsterisk(keys=[HANG_UP]).answer_all) as line:
        assert line.speak(Ask(("menu",), "12", 5.0)) == Gone()
        assert line.speak(Say(("notice",))) == Gone()


def test_a_hang_up_line_before_a_good_reply_is_read_past() -> None:
    with a_line(says(b"HANGUP\n200 result=1 (x)\n")) as line:
        assert line.execute("GET VARIABLE", '"x"') == {"result": ("1", "x")}
        with pytest.raises(AGIHangup):
            line.noop()


def test_a_closed_connection_is_a_caller_gone() -> None:
    with a_line(says(b"200 result=1\n")) as line:
        assert line.speak(Say(("notice",))) == Gone()


def test_a_dead_channel_is_a_caller_gone() -> None:
    with a_line(says(b"511 Command Not Permitted on a dead channel or intercept routine\n")) as line:
        assert line.speak(Say(("notice",))) == Gone()


def test_a_missing_prompt_is_logged_once_and_the_dialogue_goes_on() -> None:
    asterisk = FakeAsterisk(keys=["1"], missing=frozenset({"hotline/no_key"}))
    with capture_logs() as logs, a_line(asterisk.answer_all) as line:
        assert line.speak(Ask(("no_key", "menu"), "1", 5.0)) == Pressed("1")
    assert [(entry["event"], entry["prompt"]) for entry in logs] == [("prompt_missing", "hotline/no_key")]


def test_minus_one_on_a_channel_that_is_down_is_a_caller_gone() -> None:
    with a_line(says(b"200 result=1\n", b"200 result=-1 endpos=0\n", b"200 result=0\n")) as line:
        assert line.speak(Say(("notice",))) == Gone()


@pytest.mark.parametrize("value", ["x\nEXEC System rm", "x\r", "x\x00"])
def test_a_newline_never_reaches_asterisk(value: str) -> None:
    asterisk = FakeAsterisk()
    with a_line(asterisk.answer_all) as line:
        for act in (
            lambda: line.set_variable("CALLERID(name)", value),
            lambda: line.set_variable(value, "x"),
            lambda: line.stream_file(value),
            lambda: line.appexec("NoOp", value),
            lambda: line.exec_command("NoOp", value),
            lambda: line.verbose(value),
            lambda: line.execute(value),
        ):
            with pytest.raises(UnsafeArgument):
                act()
    assert asterisk.commands == []


def test_quotes_and_backslashes_arrive_as_they_were() -> None:
    asterisk = FakeAsterisk()
    with a_line(asterisk.answer_all) as line:
        line.set_variable("NAME", 'say "hi" \\ 你好')
    assert asterisk.variables == {"NAME": 'say "hi" \\ 你好'}


def test_errors_of_asterisk_are_exceptions_by_name() -> None:
    usage = b"520-Invalid command syntax.  Proper usage follows:\nUsage: X\n520-no end\n520 End of usage.\n"
    short = b"520 Invalid command syntax.  Proper usage not available.\n"
    replies = [b"510 Invalid or unknown command\n", usage, short, b"200 result=-1\n", b"200 result=1\n"]
    with a_line(says(*replies)) as line:
        for expected in (AGIInvalidCommand, AGIUsageError, AGIUsageError, AGIAppError):
            with pytest.raises(expected):
                line.noop()
        line.noop()


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"agi_arg_1: x\n", b"\xff\xfe\n", b"x" * (MAX_LINE_BYTES + 10), b"503 result=-2 no memory\n"],
)
def test_garbage_breaks_the_line_with_a_clear_error(garbage: bytes) -> None:
    with a_line(says(garbage)) as line, pytest.raises(LineError, match="Asterisk"):
        line.noop()


def test_a_usage_text_without_end_breaks_the_line() -> None:
    with (
        a_line(says(b"520-Usage\n" + b"more\n" * 200)) as line,
        pytest.raises(LineError, match="without an end"),
    ):
        line.noop()


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_never_answers_breaks_the_line_in_time() -> None:
    done = threading.Event()
    with a_line(lambda _sock: done.wait(20) and None) as line:
        with pytest.raises(LineError, match="in time"):
            line.noop()
        done.set()


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_answers_a_byte_at_a_time_is_not_waited_for_for_ever() -> None:
    done = threading.Event()

    def dribble(sock: socket.socket) -> None:
        while not done.wait(0.05):
            sock.sendall(b"2")

    with a_line(dribble) as line:
        with pytest.raises(LineError, match="in time"):
            line.noop()
        done.set()


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_says_hangup_for_ever_is_not_waited_for_for_ever() -> None:
    def chatter(sock: socket.socket) -> None:
        try:
            while True:
                sock.sendall(b"HANGUP\n")
        except OSError:
            return

    with a_line(chatter) as line, pytest.raises(LineError, match="in time"):
        line.noop()


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_takes_no_commands_breaks_the_line() -> None:
    done = threading.Event()
    with a_line(lambda _sock: done.wait(20) and None) as line:
        line._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
        with pytest.raises(LineError, match="did not take"):
            while True:
                line.send_command("NOOP", "x" * 1500)
        done.set()


def test_a_greeting_finds_a_forged_reply() -> None:
    with a_line(says(b"200 result=1\n")) as line, pytest.raises(LineError, match="not Asterisk's own"):
        line.greet()
