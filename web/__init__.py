"""What all pages share: shell, log-in, macros, design tokens, messages, server-sent events."""
