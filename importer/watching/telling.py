"""What people can ask to be told."""

from enum import StrEnum


class TellOn(StrEnum):
    """Of which runs people are told."""

    FAILURE = "failure"
    CHANGE = "change"
    ALWAYS = "always"
