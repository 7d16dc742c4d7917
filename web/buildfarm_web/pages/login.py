"""The pages about people: logging in and out, one's own account, and the audit log."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from buildfarm.api.requests import TokenRequest
from buildfarm.domain.auth.account import Account
from buildfarm.domain.auth.permissions import Role
from buildfarm.errors import BuildFarmError, NotAllowed, NotFound, TooManyTries
from buildfarm.ports.authentication import IdentityProvider
from buildfarm.services.auth import login as logging_in
from buildfarm.services.auth import sessions
from buildfarm_web.api import accounts as api_accounts
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http import access, cookies
from buildfarm_web.pages.rendering import render
from buildfarm_web.read_models.auth import accounts, audit_log

blueprint = Blueprint("people_pages", __name__)

_PAGE = 100


def onward(wanted: str) -> str:
    """Return where to go after a login: a path of our own, else the account's page (no other site
    is ever a way on).

    >>> onward("/builds?state=failed"), onward("https://evil.example/"), onward("//evil.example"), onward(chr(92) * 2 + "evil")
    ('/builds?state=failed', '/account', '/account', '/account')
    """
    parts = urlsplit(wanted)
    ours = (
        wanted.startswith("/") and not wanted.startswith("//") and not set(wanted) & set("\\\r\n\t")
    )
    return wanted if ours and not parts.scheme and not parts.netloc else "/account"


@blueprint.get("/login")
def ways_in() -> Response:
    """The form to log in with, and the way to the OIDC issuer."""
    if access.seen().is_known:
        return redirect(onward(request.args.get("next", "")), HTTPStatus.SEE_OTHER)
    return _login_page(HTTPStatus.OK)


def _login_page(status: HTTPStatus, error: BuildFarmError | None = None) -> Response:
    wanted = request.form.get("next") or request.args.get("next", "")
    page = render("auth/login.html", None, it=api_accounts.ways(), onward=onward(wanted), name=request.form.get("name", ""),
                  error=str(error.args[0]) if error else "", hint=error.hint if error else "")  # fmt: skip
    return make_response(page, status.value)


@blueprint.post("/login")
def login() -> Response:
    """Log in with a password; where it fails the form says so."""
    form = request.form
    try:
        account = logging_in.with_password(
            the_hub(), api_accounts.passwords(), form.get("name", "").strip(), form.get("password", ""),
            address=request.remote_addr or "",
        )  # fmt: skip
    except TooManyTries as error:
        answer = _login_page(HTTPStatus.TOO_MANY_REQUESTS, error)
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    except NotAllowed as error:
        return _login_page(HTTPStatus.UNAUTHORIZED, error)
    return _let_in(account, onward(form.get("next", "")), by="password")


def _let_in(account: Account, where: str, *, by: str) -> Response:
    answer = redirect(where, HTTPStatus.SEE_OTHER)
    cookies.keep_session(
        answer, sessions.start(the_hub(), account, former=cookies.session(), by=by)
    )
    return answer


@blueprint.get("/login/oidc")
def leave_for_issuer() -> Response:
    """Begin a login at the OIDC issuer."""
    url, authorization_request = _issuer().begin(_redirect_uri())
    answer = redirect(url, HTTPStatus.SEE_OTHER)
    cookies.keep_authorization(answer, authorization_request, onward(request.args.get("next", "")))
    return answer


@blueprint.get("/login/oidc/return")
def complete() -> Response:
    """Complete a login when the OIDC issuer sends the browser back."""
    settings = the_hub().config.farm.login.oidc
    issuer, (authorization_request, where) = _issuer(), cookies.authorization_request()
    assert settings is not None
    try:
        claims = issuer.complete(authorization_request, _redirect_uri(), request.args.to_dict())
        answer = _let_in(
            logging_in.with_identity(the_hub(), settings, claims), onward(where), by=settings.issuer
        )
    except NotAllowed as error:
        answer = _login_page(HTTPStatus.FORBIDDEN, error)
    cookies.drop_authorization(answer)
    return answer


def _issuer() -> IdentityProvider:
    tools = app_context().login
    if tools is None or tools.issuer is None:
        raise NotFound("no OIDC issuer is configured here", hint="`login.oidc` in farm.yaml")
    return tools.issuer


def _redirect_uri() -> str:
    """Return the address to which the issuer sends the browser back."""
    return url_for("people_pages.complete", _external=True)


@blueprint.post("/logout")
def logout() -> Response:
    """End the session."""
    sessions.end(the_hub(), cookies.session())
    answer = redirect("/", HTTPStatus.SEE_OTHER)
    cookies.drop_session(answer)
    return answer


@blueprint.get("/account")
def account() -> Response:
    """Show the caller's account; an unknown caller is sent to the login."""
    if not access.principal().is_known:
        return redirect(url_for("people_pages.ways_in", next="/account"), HTTPStatus.SEE_OTHER)
    return _account_page()


def _account_page(secret: str = "") -> Response:
    asker = access.require_login()
    with the_hub().store.read() as tx:
        found = accounts.own_account(the_hub(), tx, asker, access.session_id())
        now = tx.now
    roles = [role.value for role in Role if role.rank <= asker.role.rank]
    answer = make_response(render("auth/account.html", now, it=found, secret=secret, roles=roles))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/account/password")
def change_password() -> Response:
    """Change one's own password."""
    form = request.form
    api_accounts.change_own_password(
        access.require_login(), form.get("former", ""), form.get("password", "")
    )
    return _back("password")


@blueprint.post("/account/tokens")
def issue_token() -> Response:
    """Issue a token and show it, this once."""
    form = request.form
    body = TokenRequest.model_validate({
        "name": form.get("name", ""), "role": form.get("role") or None, "actions": form.getlist("actions"),
        "days": form.get("days", "90"),
    })  # fmt: skip
    return _account_page(api_accounts.issue_token(access.require_login(), body).secret)


@blueprint.post("/account/tokens/<token>/revoke")
def revoke_token(token: str) -> Response:
    """End one of one's own tokens."""
    api_accounts.revoke(access.require_login(), token, why=request.form.get("reason", ""))
    return _back("revoke-token")


@blueprint.post("/account/sessions/end")
def end_sessions() -> Response:
    """End one's other sessions."""
    sessions.end_others(the_hub(), access.require_login().account, but=access.session_id())
    return _back("end")


def _back(did: str) -> Response:
    return redirect(url_for("people_pages.account", did=did), HTTPStatus.SEE_OTHER)


@blueprint.get("/audit")
def audit() -> str:
    """Show the audit log."""
    wanted = api_accounts.acts_wanted()
    with the_hub().store.read() as tx:
        found = audit_log.acts(tx, access.seen(), **wanted, limit=_PAGE)
        now = tx.now
    return render("auth/audit.html", now, it=found, wanted=wanted)
