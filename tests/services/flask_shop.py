"""A Flask service, as servers load it: ``flask_shop:app``."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from shopwatch import instrument

app = Flask("shop")
items = Blueprint("items", __name__)


@items.get("/items/<int:item>")
def item(item: int) -> str:
    return f"item {item}"


@app.get("/boom")
def boom() -> str:
    raise ValueError("the basket is empty")


@app.get("/teapot")
def teapot() -> tuple[str, int]:
    return "short and stout", 503


@app.get("/stream")
def stream() -> Iterator[str]:
    def parts() -> Iterator[str]:
        for number in range(200):
            yield f"{number}" * 10_000
            time.sleep(0.01)

    return parts()


app.register_blueprint(items, url_prefix="/shop")
inner = Flask("inner")


@inner.get("/deep/<name>")
def deep(name: str) -> str:
    return name


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mnt": inner})  # type: ignore[method-assign]
instrument(app, service="flask-shop")
