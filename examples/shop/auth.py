"""auth: customers sign up, and trade their password for a bearer token (OAuth2 password grant)."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Annotated, Final

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, Field
from sqlalchemy import Column, Engine, MetaData, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from shop import passwords, tokens
from shop.database import answer_database_errors, can_answer, open_database
from shop.service import Service
from shop.settings import Settings
from shop.switches import Switchboard
from shopwatch import catalogue, record

_LOG: Final = logging.getLogger(__name__)
_TABLES: Final = MetaData()
_CUSTOMERS: Final = Table(
    "customers",
    _TABLES,
    Column("username", String(64), primary_key=True),
    Column("password", String(256), nullable=False),
)


class SignUp(BaseModel):
    """What a new customer says."""

    username: str = Field(pattern=r"^[a-z0-9-]{1,64}$")
    password: str = Field(min_length=12, max_length=128)


class Token(BaseModel):
    """What the OAuth2 password grant answers (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the grant's own word
    expires_in: int = tokens.LIFETIME_S


class Auth:
    """The endpoints.

    Args:
        engine: holds the customers.
        secret: signs the tokens.
        cost: of a password's hash.
    """

    def __init__(self, engine: Engine, secret: str, *, cost: int) -> None:
        self._engine = engine
        self._secret = secret
        self._cost = cost
        self._nobody = passwords.hashed(secrets.token_urlsafe(), cost=cost)

    def sign_up(self, customer: SignUp) -> dict[str, str]:
        """Make an account."""
        kept = passwords.hashed(customer.password, cost=self._cost)
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_CUSTOMERS).values(username=customer.username, password=kept))
        except IntegrityError as error:
            raise HTTPException(409, "the user name is taken") from error
        return {"username": customer.username}

    def log_in(self, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> Token:
        """Trade a user name and its password for a token."""
        # An unknown name costs as much time as a known one, so that it cannot be told apart.
        kept = self._kept(form.username)
        if not passwords.matches(form.password, kept or self._nobody) or kept is None:
            record(catalogue.LOGIN_ATTEMPTS, outcome="failure")
            _LOG.warning("a login was refused: unknown user name or wrong password")
            raise HTTPException(
                401, "unknown user name or wrong password", headers={"WWW-Authenticate": "Bearer"}
            )
        record(catalogue.LOGIN_ATTEMPTS, outcome="success")
        return Token(access_token=tokens.issue(form.username, self._secret, now=time.time()))

    def _kept(self, username: str) -> str | None:
        with self._engine.connect() as connection:
            kept: str | None = connection.scalar(
                select(_CUSTOMERS.c.password).where(_CUSTOMERS.c.username == username)
            )
            return kept


def build(settings: Settings) -> Service:
    """The service.

    Raises:
        SettingsError: a setting cannot be used.
    """
    engine = open_database(settings.database_url, _TABLES)
    auth = Auth(engine, settings.secret(), cost=settings.password_cost)
    app = FastAPI(title="auth")
    app.add_api_route("/customers", auth.sign_up, methods=["POST"], status_code=201)
    app.add_api_route("/token", auth.log_in, methods=["POST"])
    answer_database_errors(app)
    if settings.faults:
        app.include_router(Switchboard().router())
    return Service(app=app, readiness={"database": lambda: can_answer(engine)})
