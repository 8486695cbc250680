"""What the operator must know, in words that need no traceback."""

from __future__ import annotations


class HubError(Exception):
    """Something could not be done; the text says what, and what to do."""


class SettingsError(HubError):
    """All that is wrong with the settings, a line each."""


class UsageError(HubError):
    """The command was given something that it does not take."""
