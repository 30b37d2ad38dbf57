"""What the caller hears: the dialogues (no I/O), the prompts and the voice's message catalogue."""
