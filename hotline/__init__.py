"""START HERE. Command line, settings, wiring and process supervision.

This room knows every other room; no room knows it.
"""
