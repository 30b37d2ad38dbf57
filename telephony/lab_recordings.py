"""The lab's recordings go when they have been looked at: what they prove is said, and they are nobody's."""

from datetime import datetime
from pathlib import Path

from cases import lab, recordings
from storage.database import Database


def remove(database: Database, kept: Path, ended_before: datetime) -> int:
    """Remove the files of lab calls that ended earlier; their rows stay, journalled. How many.

    Raises OSError, DatabaseAway; then the next turn goes on.
    """
    with database.session() as session:
        over = lab.kept_recordings(session, ended_before)
        for recording in over:
            recordings.remove(session, kept, recording, "lab")
    return len(over)
