"""A Django service, as servers load it: ``django_shop:app``, by the INTERFACE that the environment names."""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

from shopwatch import instrument


def view(_request: Any, item: int) -> HttpResponse:
    return HttpResponse(f"item {item}")


def failing(_request: Any) -> HttpResponse:
    raise ValueError("the basket is empty")


urlpatterns = [path("shop/", include([path("items/<int:item>/", view)])), path("boom", failing)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="made up", LOGGING_CONFIG=None)
django.setup()
application = get_asgi_application if os.environ.get("INTERFACE") == "asgi" else get_wsgi_application
app = instrument(application(), service="django-shop")
