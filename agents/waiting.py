"""What waits for this person, counted: each tray adds its own; the shell's badge is their sum."""

from collections.abc import Callable, Mapping

from sqlalchemy.orm import Session

from routing.policy import Policy
from storage.viewer import Viewer

Counts = Callable[[Session, Viewer, Policy], Mapping[str, int]]
_COUNTS: dict[str, Counts] = {}


def waits(place: str) -> Callable[[Counts], Counts]:
    """Register what waits on the page that the rail calls `place`.

    The counts are of the very queries that the page lists, {} for whom the page is not; only what she herself
    has to do belongs in them.
    """

    def register(counts: Counts) -> Counts:
        _COUNTS[place] = counts
        return counts

    return register


def waiting(session: Session, viewer: Viewer, policy: Policy) -> dict[str, int]:
    """Counts by "<place>.<list>", such as "dispatch.sort"; no zeros."""
    found = {
        f"{place}.{name}": count
        for place, counts in _COUNTS.items()
        for name, count in counts(session, viewer, policy).items()
    }
    return {key: count for key, count in found.items() if count}
