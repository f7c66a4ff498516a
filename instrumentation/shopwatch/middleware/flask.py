"""Flask: the exception that an error page was made of. Its route is in the environment already."""

from __future__ import annotations

from typing import Any

from shopwatch.middleware.notes import ERROR


def note_errors(app: object) -> None:
    """Have an application note each request's unhandled exception where the middleware finds it."""
    from flask import got_request_exception, request  # noqa: PLC0415 - the application has loaded it

    def failed(_sender: object, exception: BaseException, **_: Any) -> None:  # noqa: ANN401 - the signal's own
        request.environ[ERROR] = exception

    got_request_exception.connect(failed, sender=app, weak=False)
