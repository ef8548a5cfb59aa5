"""What a run may spend on retries."""

from typing import Final

CAPACITY: Final = 500


class Budget:
    """Tokens that retries cost, so that a destination in trouble is not asked many times as much.

    A retry that succeeds gives back what was spent on it, any other success one token; there are never more
    than ``CAPACITY``.

    Source: the retry quota of the AWS SDKs ("Retry behavior", AWS SDKs and Tools Reference Guide).
    """

    def __init__(self) -> None:
        self._left = CAPACITY

    def take(self, tokens: int) -> bool:
        """Spend ``tokens``; false if there are not so many, and then none is spent."""
        if tokens > self._left:
            return False
        self._left -= tokens
        return True

    def succeeded(self, spent: int) -> None:
        """Take back what was ``spent`` on a fulfillment that the destination has answered for good."""
        self._left = min(CAPACITY, self._left + max(spent, 1))
