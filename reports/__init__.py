"""Figures and bulletins: the day on one page. Start reading at day.py."""
