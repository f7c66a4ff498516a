from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from shop.cache import open_cache
from shop.database import open_database
from shop.order_store import TABLES
from shop.queue import open_queue
from shop.settings import Settings, SettingsError

SECRET = "made-up-secret-of-more-than-32-characters"


def test_an_empty_environment_gives_safe_defaults() -> None:
    settings = Settings.read({})
    assert settings == Settings()
    assert (settings.host, settings.faults, settings.token_secret) == ("127.0.0.1", False, "")


def test_every_text_can_be_set() -> None:
    names = [name for name in Settings.__dataclass_fields__ if name.endswith("_url")]
    values = {name: f"http://{name.replace('_', '-')}.example:80" for name in names}
    settings = Settings.read({f"SHOP_{name.upper()}": value for name, value in values.items()})
    assert {name: getattr(settings, name) for name in names} == values
    assert len(names) == 9


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        pytest.param("SHOP_FAULTS", "maybe", "1 or 0", id="switch"),
        pytest.param("SHOP_PASSWORD_COST", "9", "from 10 to 17", id="number too low"),
        pytest.param("SHOP_PASSWORD_COST", "many", "from 10 to 17", id="no number"),
        pytest.param("SHOP_CATALOGUE_CANARY_SHARE", "1.5", "from 0 to 1", id="share"),
        pytest.param("SHOP_CATALOGUE_CANARY_SHARE", "nan", "from 0 to 1", id="not a number"),
        pytest.param("SHOP_ORDERS_URL", "orders:8003", "http://", id="URL without scheme"),
    ],
)
def test_a_wrong_value_is_named(variable: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.read({variable: value})
    assert f"{variable}={value!r}" in str(caught.value)
    assert expected in str(caught.value)


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="expected at least 32") as caught:
        Settings.read({"SHOP_TOKEN_SECRET": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_the_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    assert Settings.read({"SHOP_TOKEN_SECRET_FILE": str(file)}).secret() == SECRET


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SHOP_TOKEN_SECRET_FILE=.*cannot be read"):
        Settings.read({"SHOP_TOKEN_SECRET_FILE": str(tmp_path / "none")})


def test_without_a_secret_the_error_says_how_to_make_one() -> None:
    with pytest.raises(SettingsError, match="token_urlsafe"):
        Settings.read({}).secret()


def test_the_repr_shows_neither_secret_nor_addresses() -> None:
    settings = Settings.read(
        {"SHOP_TOKEN_SECRET": SECRET, "SHOP_DATABASE_URL": "postgresql://shop:hunter2@db/shop"}
    )
    assert SECRET not in repr(settings)
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("open_it", "variable"),
    [
        pytest.param(open_cache, "SHOP_CACHE_URL", id="cache"),
        pytest.param(open_queue, "SHOP_QUEUE_URL", id="queue"),
        pytest.param(lambda url: open_database(url, TABLES), "SHOP_DATABASE_URL", id="database"),
    ],
)
@pytest.mark.parametrize("url", ["gopher://user:hunter2@host/1", "hunter2"], ids=["scheme", "no URL"])
def test_a_store_that_nobody_speaks_is_refused_without_its_password(
    open_it: Callable[[str], object], variable: str, url: str
) -> None:
    with pytest.raises(SettingsError, match=variable) as caught:
        open_it(url)
    assert "user:hunter2" not in str(caught.value)
