"""Every error the project raises on purpose, as one tree whose messages are shown to the user.

VoiceAgentError                 one plain sentence that says what happened and what to do
 +- ConfigurationError          a setting is missing or wrong; names the variable
 +- InvalidInput                the caller sent something that cannot be used; nothing was changed
 +- SessionLimitReached         all places are taken, or all that one visitor may have
 +- StorageFailed               the database cannot be read or written at the moment
 +- AgentFailed             the graph that answers failed, or waits for something it will not get
 +- InternalError               a mistake in this program; the log has its traceback
 +- ProviderError               a provider failed; carries its role and name, and when a retry makes sense
     +- AuthenticationFailed    401, 403, auth_error
     +- QuotaExceeded           the account is used up, or terms are not accepted
     +- RequestRejected         400, 404: the provider does not accept what was asked (unknown model, voice ...)
     +- RateLimited             429 and its socket twins
     +- ProviderUnavailable     5xx, refused or dropped connections
     +- ProxyUnusable           the proxy that is set leads nowhere
     +- ProviderTimeout         nothing came in time
     +- ProtocolViolation       what came could not be understood
"""

from __future__ import annotations

from enum import Enum, StrEnum

NOTHING_HEARD = "Nothing was heard. Please speak while you hold the button."
"""What the user is told who released it (push-to-talk) without a word."""
NOT_UNDERSTOOD = "No words could be made out. Please say it again."
"""What the user is told who spoke for some time and said nothing that was recognised."""

TURN_BROKE = "Something went wrong in this program: please try again."
SESSION_BROKE = "Something went wrong in this program: please start the call again."


class Role(StrEnum):
    """The four jobs a provider can fill."""

    STT = "speech-to-text"
    CHAT = "chat"
    TTS = "text-to-speech"
    REALTIME = "realtime"


class Retry(Enum):
    """When the same request may be sent again without the user doing anything."""

    NEVER = "never"
    BACKOFF = "backoff"
    AT_ONCE = "at once"


class VoiceAgentError(Exception):
    """Base of all errors of this project. ``str(error)`` is one plain sentence and holds no secret."""


class ConfigurationError(VoiceAgentError):
    """A setting is missing or wrong; the message names the variable and what to put there."""


class InvalidInput(VoiceAgentError):
    """The caller sent something unusable; nothing was changed by it."""


class SessionLimitReached(VoiceAgentError):
    """All conversation places of this server are taken, or all that one visitor may have."""


class StorageFailed(VoiceAgentError):
    """The database cannot be read or written at the moment; what was to be stored is not."""


class AgentFailed(VoiceAgentError):
    """The graph that answers, or a node of it, failed; what was said until then stays, and the conversation goes on."""


class InternalError(VoiceAgentError):
    """A mistake in this program, not in a provider or a setting; whoever makes this error logs the traceback."""


class ProviderError(VoiceAgentError):
    """A provider failed.

    ``role`` says which part of the conversation is affected, ``provider`` is the name a user knows
    ("ElevenLabs", "Azure OpenAI"), ``retry`` what a client may do about it by itself. ``explained``: the provider
    itself said what is wrong; else it was only seen to be silent, gone or not to be understood.
    """

    retry = Retry.BACKOFF

    def __init__(self, role: Role, provider: str, message: str, *, explained: bool = False) -> None:
        super().__init__(message)
        self.role = role
        self.provider = provider
        self.explained = explained


class AuthenticationFailed(ProviderError):
    """The provider does not accept the key."""

    retry = Retry.NEVER


class QuotaExceeded(ProviderError):
    """The provider's account is used up or its terms are not accepted."""

    retry = Retry.NEVER


class RequestRejected(ProviderError):
    """The provider does not accept this request, and would not accept it a second time."""

    retry = Retry.NEVER


class RateLimited(ProviderError):
    """The provider asks to come back later."""


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached, answered 5xx, or dropped the connection."""


class ProxyUnusable(ProviderError):
    """The proxy in the environment is none that can be used: the provider is never asked."""

    retry = Retry.NEVER


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""


class ProtocolViolation(ProviderError):
    """The provider sent something its own documentation does not allow."""
