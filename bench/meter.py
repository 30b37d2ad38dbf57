"""Processor time of processes, and where they may run."""

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

Seconds = dict[str, float]


def read(processes: Mapping[str, int]) -> Seconds:
    """Processor seconds so far, by name: user and system, children (PostgreSQL's backends) included."""
    return {name: _family_seconds(psutil.Process(pid)) for name, pid in processes.items()}


def _family_seconds(process: psutil.Process) -> float:
    """Living descendants, and those that have ended and been waited for."""
    spent = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        try:
            spent += sum(child.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return float(spent)


def since(before: Seconds, after: Seconds) -> Seconds:
    return {name: after[name] - before[name] for name in before}


def pin(processes: Mapping[str, int], cores: set[int]) -> None:
    """Keep every thread of these processes, and all that they will start, on `cores`."""
    for pid in processes.values():
        for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            for thread in Path(f"/proc/{one.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), cores)
