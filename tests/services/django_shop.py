"""A Django service: ``django_shop:app``; INTERFACE and MIDDLEWARE of the environment say how."""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import include, path

from shopwatch import instrument


def view(_request: Any, item: int) -> HttpResponse:
    return HttpResponse(f"item {item}")


def failing(_request: Any) -> HttpResponse:
    raise ValueError("the basket is empty")


def streaming(_request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(f"{number}" * 1_000 for number in range(5))


urlpatterns = [
    path("shop/", include([path("items/<int:item>/", view)])),
    path("boom", failing),
    path("stream", streaming),
]
BY_HAND = os.environ.get("MIDDLEWARE") == "1"
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="made up",
    LOGGING_CONFIG=None,
    MIDDLEWARE=["shopwatch.django.ShopwatchMiddleware"] if BY_HAND else [],
    SHOPWATCH={"service": "django-shop"},
)
django.setup()
application = get_asgi_application if os.environ.get("INTERFACE") == "asgi" else get_wsgi_application
app = application() if BY_HAND else instrument(application(), service="django-shop")
