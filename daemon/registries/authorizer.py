"""
Answers a registry's challenges: with the login itself, or with a token bought for it.

Leaves out when to answer one (`client`) and where logins come from (`credentials`).
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from yarl import URL

from daemon.errors import DaemonError, ErrorKind
from daemon.registries import answers
from daemon.registries.credentials import Credentials, Login
from daemon.registries.network import read_bounded
from daemon.registries.tokens import Grant, Grants, Scope, Token

_CLIENT_ID = "skilld"
_NO_LOGIN = "without credentials"

Form = Mapping[str, str]
Ask = Callable[[str, URL, Mapping[str, str], Form | None], Awaitable[aiohttp.ClientResponse]]
"""Sends method, URL, headers and form over the registry's transport, following no redirects."""


class Authorizer:
    """
    What one registry granted, per scope. Owned by the registry's client.

    *limit* bounds a token server's answer, in bytes; *clock* counts seconds.
    """

    def __init__(
        self,
        host: str,
        *,
        credentials: Credentials,
        ask: Ask,
        limit: int,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._credentials = credentials
        self._ask = ask
        self._limit = limit
        self._grants = Grants(clock)

    def granted(self, scope: Scope) -> Grant | None:
        """Return what may still be used for *scope*."""
        return self._grants.get(scope)

    def drop(self, scope: Scope) -> None:
        """Forget what was granted for *scope*, so that it is asked for anew."""
        self._grants.drop(scope)

    def asked(self, scope: Scope) -> str:
        """Say with whose credentials *scope* was asked for."""
        grant = self._grants.get(scope)
        return _NO_LOGIN if grant is None else grant.asked

    async def answer(self, challenge: answers.Challenge, scope: Scope, *, what: str) -> Grant:
        """
        Return a fresh grant for *scope*; *what* names it in errors.

        Raises DaemonError(REGISTRY_REFUSED) where there is nothing new to answer with.
        """
        refused = self._grants.get(scope)
        self._grants.drop(scope)
        login = await self._credentials.find(self._host, scope.repository)
        asked = _NO_LOGIN if login is None else f"with {login.source}"
        if challenge.scheme == "basic":
            # The same login again would only count as one more failed attempt over there.
            if login is None or (refused is not None and refused.header == login.basic):
                raise answers.refused(what=what, told="401", login=asked)
            return self._grants.put(scope, header=login.basic, asked=asked, lifetime=math.inf)
        token = await self._buy(challenge, scope, login, what=what)
        return self._grants.put(
            scope, header=f"Bearer {token.value}", asked=asked, lifetime=token.lifetime
        )

    async def _buy(
        self, challenge: answers.Challenge, scope: Scope, login: Login | None, *, what: str
    ) -> Token:
        """Get a token from the server that the registry named."""
        asked = _NO_LOGIN if login is None else f"with {login.source}"
        async with await self._ask(*_token_request(challenge, scope, login)) as response:
            body = await read_bounded(response, self._limit)
            refusal = answers.Refusal(response.status, response.headers, body)
        if refusal.status in {400, 401, 403}:
            raise answers.refused(what=what, told=f"token server: {refusal.told}", login=asked)
        if refusal.status != 200:
            raise answers.failure(refusal, what=f"a token for {what}", login=asked, now=time.time())
        token = Token.read(body)
        if token is None:
            raise DaemonError(
                ErrorKind.REGISTRY_UNAVAILABLE,
                f"the token server of registry {self._host} gave no token for {what}",
            )
        return token


def _token_request(
    challenge: answers.Challenge, scope: Scope, login: Login | None
) -> tuple[str, URL, Mapping[str, str], Form | None]:
    """Return method, URL, headers and form that ask for a token."""
    # The registry's own scope first: behind a proxy it may know the repository by another name.
    query = {"service": challenge.service, "scope": challenge.scope or str(scope)}
    realm = URL(challenge.realm)
    if login is None:
        return "GET", realm.update_query(query), {}, None
    if login.identity_token is None:
        return "GET", realm.update_query(query), {"Authorization": login.basic}, None
    form = {
        **query,
        "grant_type": "refresh_token",
        "client_id": _CLIENT_ID,
        "refresh_token": login.identity_token,
    }
    return "POST", realm, {}, form
