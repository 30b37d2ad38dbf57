"""How a command ends on a fault that an operator can put right: a line each, status 1, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def foreseen() -> Iterator[None]:
    """Tell a foreseen fault in its own words and end with 1."""
    from hotline.wiring import FORESEEN
    from storage.database import DatabaseAway

    try:
        yield
    except DatabaseAway as why:
        first = str(why).splitlines()[0]
        errors.print(f"[red]fault:[/] {escape(first)}: start it with hotline up, or see hotline check")
        sys.exit(1)
    except FORESEEN as why:
        for line in str(why).splitlines():
            errors.print(f"[red]fault:[/] {escape(line)}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
