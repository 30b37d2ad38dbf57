"""Figures of the running hotline, as ratios measured in one run: START with README.md. No tests here."""
