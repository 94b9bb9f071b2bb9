"""What the user is told when a provider fails: each trouble once, in the words of its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voice_agents.errors import ProviderError, Role
from voice_agents.providers.interfaces import ConnectionState

Tell = Callable[[ProviderError, bool], None]
"""Gets the error and whether something failed by it; False: it is being mended, or was."""


class Troubles:
    """Follows the connections of a session and the work that depends on them.

    While work depends on a provider, a lost connection is not spoken of: either the work succeeds all the same and then
    that is told, or it fails and then only its failure is. Otherwise an outage is told once, until it is over.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._open: set[Role] = set()
        self._working: set[Role] = set()
        self._held: dict[Role, tuple[ProviderError, bool]] = {}
        self._told_early: set[Role] = set()
        """Providers whose trouble was told while work depends on them; its success says nothing new."""
        self._told: dict[Role, tuple[str, bool]] = {}

    def connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        """A connection changed; see :class:`~voice_agents.providers.interfaces.ConnectionListener`."""
        if state is ConnectionState.OPEN:
            self._open.add(role)
            self._told.pop(role, None)
            return
        if state is ConnectionState.CONNECTING and self._told.get(role, ("", False))[1]:
            self._told.pop(role)  # who tries anew after a failure may fail anew
        self._open.discard(role)
        if error is None:
            return
        if role in self._told_early:
            return
        if role in self._working:
            self._held.setdefault(role, (error, False))
        else:
            self._report(role, error, state is ConnectionState.FAILED)

    @contextmanager
    def depending_on(self, role: Role) -> Iterator[None]:
        """The block depends on this provider; how it ends decides what is told."""
        self.begins(role)
        try:
            yield
        except ProviderError as error:
            self.ends(role, error)
            raise
        finally:
            self.ends(role)

    def begins(self, role: Role) -> None:
        """Something depends on this provider now."""
        self._working.add(role)
        self._told.pop(role, None)

    def tell_held(self, role: Role) -> bool:
        """Tell what is known of this provider before its outcome is, if anything; whether there was."""
        held = self._held.pop(role, None)
        if held is not None:
            self._told_early.add(role)
            self._report(role, *held)
        return held is not None

    def ends(self, role: Role, error: BaseException | None = None) -> None:
        """It does no longer; ``error`` if it failed. Does nothing the second time."""
        if role not in self._working:
            return
        self._working.discard(role)
        self._told_early.discard(role)
        held = self._held.pop(role, None)
        if isinstance(error, ProviderError) and error.role is role:
            self._report(role, error, True)
        elif held is not None:
            self._report(role, *held)

    def _report(self, role: Role, error: ProviderError, failed: bool) -> None:
        """What one provider of two roles refuses is told once; what trying again cannot mend, beside the attempt."""
        told = self._told.get(role)
        if told is not None and (told[1] or not failed):
            return
        news = (str(error), failed)
        known = news in self._told.values()
        if role not in self._open or failed:
            self._told[role] = news
        if not known:
            self._tell(error, failed)
