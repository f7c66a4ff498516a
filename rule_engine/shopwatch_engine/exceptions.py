"""Every error the engine raises on purpose.

::

    EngineError
    +-- DefinitionError      a definition, routing or settings file is wrong; carries findings
    +-- TemplateError        a Go template does not parse or does not render
    +-- SourceError          a query failed; the state of its rules is held
    +-- StoreError
    |   +-- StoreBusy        locked or full for now: try again
    |   +-- StoreFailed      will not mend itself: stop, losing nothing
    +-- PagerError           a page was not taken; says whether to try again
    +-- CannotListen         the address of the engine's API is taken or not this machine's
    +-- ServerUnavailable    a real server (Prometheus, ...) cannot be had here; says how to get it
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that the engine raises on purpose."""


class TemplateError(EngineError):
    """A Go template does not parse or does not render; the message says where and why."""


class SourceError(EngineError):
    """A query failed, timed out or was answered in part.

    Args:
        reason: what happened, in words for a person, without secrets.
        culprit: True when the expression itself is at fault (so that a batch is split to find it),
            False when the source is (so that nothing is gained by asking again in pieces).
    """

    def __init__(self, reason: str, *, culprit: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.culprit = culprit


class StoreError(EngineError):
    """The store could not do what was asked; nothing was written in part."""


class StoreBusy(StoreError):  # noqa: N818 - reads as the state it reports
    """The store is locked or its disk is full for now; the same call may go through later."""


class StoreFailed(StoreError):  # noqa: N818 - reads as the state it reports
    """The store cannot be used (not a database, wrong version, read-only); a person must act."""


class PagerError(EngineError):
    """A pager did not take a page.

    Args:
        reason: what happened, for a person, without secrets.
        retry: whether sending the same again later can help.
        retry_after_s: seconds that the pager asked us to wait, if it did.
    """

    def __init__(self, reason: str, *, retry: bool, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.retry_after_s = retry_after_s


class CannotListen(EngineError):  # noqa: N818 - reads as the state it reports
    """The engine's API cannot listen where it should; the message names the address and why."""


class ServerUnavailable(EngineError):  # noqa: N818 - reads as the state it reports
    """A real server cannot be had on this machine; the message says how to get one."""


class DefinitionError(EngineError):
    """One or more definition, routing or settings files are wrong.

    Args:
        findings: one line a mistake: file, line, column, key, value, what was expected, remedy.
    """

    def __init__(self, findings: tuple[object, ...]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings
