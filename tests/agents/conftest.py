"""The running desk (tests/web/site.py) for the tests of this folder."""

from tests.web.site import site

__all__ = ["site"]
