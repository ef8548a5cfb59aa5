"""What is left to chance, the same in each run."""

from random import Random as Chance

__all__ = ["Chance", "chance_of"]


def chance_of(seed: int | str) -> Chance:
    """What follows from ``seed``."""
    return Chance(seed)  # noqa: S311 - for data to measure with, not for a secret
