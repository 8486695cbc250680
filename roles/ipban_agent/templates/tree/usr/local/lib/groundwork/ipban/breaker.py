"""The circuit breaker: an unusual change of the list's size is refused until somebody has looked at it."""

from __future__ import annotations

from ipban.model import AgentError
from ipban.settings import Breaker


class BreakerOpen(AgentError):  # noqa: N818  # because this is what breakers are
    """A change that goes beyond the limits; the message says which, and how to accept it."""


def check(limits: Breaker, before: int | None, after: int) -> None:
    """Raise :exc:`BreakerOpen` for a change that needs consent; after an empty list everything is usual."""
    if not before:
        return
    difference = after - before
    if after > before * limits.growth_factor and difference > limits.growth_minimum:
        raise BreakerOpen(
            f"the list would grow from {before} to {after} entries, more than {limits.growth_factor:g} times"
            f" and more than {limits.growth_minimum} entries; `ipban sync --accept` takes it"
        )
    if after < before * limits.shrink_factor and -difference > limits.shrink_minimum:
        raise BreakerOpen(
            f"the list would shrink from {before} to {after} entries, below {limits.shrink_factor:g} times"
            f" its size and by more than {limits.shrink_minimum} entries; `ipban sync --accept` takes it"
        )
