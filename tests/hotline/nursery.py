"""Runs `hotline` commands without a start of Python for each: a process that has imported everything forks.

What a command does is the same; it is spared the seconds of imports before it. This file is both sides.
"""

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

PRELOADED = ("hotline.up", "hotline.check", "hotline.lab.check", "hotline.lab.report", "hotline.export")
COLUMNS = {"COLUMNS": "200"}  # consoles are made as their modules are imported
LONGEST_MESSAGE = 1 << 17  # bytes: words and environment
STREAMS = 3


class Nursery:
    """One process to fork from, which ends with us."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={name: each for name, each in os.environ.items() if not name.startswith("HOTLINE_")}
                | COLUMNS,
                stdin=subprocess.DEVNULL,
            )

    def run(
        self, words: tuple[str, ...], environment: Mapping[str, str], typed: str, limit_seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """The command to its end, with `typed` as its standard input. AssertionError after the limit."""
        asked = json.dumps({"words": words, "environment": dict(environment), "folder": str(Path.cwd())})
        ended, tells = os.pipe()
        with TemporaryFile("w+") as entry, TemporaryFile("w+") as told, TemporaryFile("w+") as complained:
            entry.write(typed)
            entry.seek(0)
            streams = [each.fileno() for each in (entry, told, complained)]
            socket.send_fds(self._door, [asked.encode()], [*streams, tells])
            os.close(tells)
            in_time = select.select([ended], [], [], limit_seconds)[0]
            status = os.read(ended, 1) if in_time else b""
            os.close(ended)
            for each in (told, complained):
                each.seek(0)
            said = told.read(), complained.read()
        assert in_time, f"hotline {words} did not end in {limit_seconds:.0f} s: {said}"
        return subprocess.CompletedProcess(words, status[0] if status else -1, *said)

    def close(self) -> None:
        self._door.close()
        self._process.wait(20)


@cache
def nursery() -> Nursery:
    """This process's own, begun with the first command."""
    begun = Nursery()
    atexit.register(begun.close)
    return begun


def serve(door: socket.socket) -> None:
    """The other side: a child for each command, until nobody asks any more."""
    for name in PRELOADED:
        import_module(name)
    children: set[int] = set()
    while True:
        asked, files, _, _ = socket.recv_fds(door, LONGEST_MESSAGE, STREAMS + 1)
        if not asked:
            return
        children = {child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)}
        child = os.fork()
        if child == 0:
            door.close()
            become(json.loads(asked), files)
        children.add(child)
        for each in files:
            os.close(each)


def become(asked: dict[str, object], files: list[int]) -> None:
    """Be the command, as if it had been started; its status is told to the last of `files`."""
    from hotline.children import die_with_parent
    from hotline.cli import main

    status = 1
    try:
        die_with_parent(os.getppid())
        for number in range(STREAMS):
            os.dup2(files[number], number)
        environment, words = asked["environment"], asked["words"]
        assert isinstance(environment, dict)
        assert isinstance(words, list)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(str(asked["folder"]))
        sys.argv = ["hotline", *words]
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(files[STREAMS], bytes([status]))
        os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
