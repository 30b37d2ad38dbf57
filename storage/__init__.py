"""What is remembered: tables, journal, outbox, visibility, migrations."""
