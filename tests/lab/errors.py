"""What the lab says when it cannot serve."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked; the message says what is missing and how to mend it."""


class MissingParts(LabError):
    """Programs or packages are absent; the message names the command that installs them."""


class NotReady(LabError):
    """A part did not become ready in its time; the message holds the end of its log."""


class CommandFailed(LabError):
    """A command exited non-zero; the message holds its command line and the end of its output."""
