"""The life of calls and tickets: states, permissions and the acts that change anything."""
