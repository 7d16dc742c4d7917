"""``/api/v1``: accounts (admins), one's own account and tokens, the audit log, and how one can log
in.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request

from buildfarm.api.requests import (
    AccountRequest,
    DueReason,
    DueRights,
    PasswordRequest,
    ReasonRequest,
    RightsRequest,
    TokenRequest,
)
from buildfarm.api.responses.auth.accounts import (
    Account,
    AccountList,
    IssuedToken,
    OwnAccount,
    PasswordChanged,
    Token,
    TokenList,
    WaysIn,
)
from buildfarm.api.responses.auth.audit_log import ActList
from buildfarm.api.responses.core.base import fields_of
from buildfarm.domain.auth.permissions import Action, Principal
from buildfarm.errors import InputError, NotAllowed, TooManyTries
from buildfarm.ports.authentication import Passwords
from buildfarm.services.auth import accounts, tokens
from buildfarm.services.auth import login as logging_in
from buildfarm_web.api.openapi.operation import reads, writes
from buildfarm_web.api.openapi.queries import ActsQuery, LoginQuery, TokensQuery
from buildfarm_web.api.reading import flag, limit, listed
from buildfarm_web.app_context import app_context, the_hub
from buildfarm_web.http import access
from buildfarm_web.http.access import read_body, require_login, require_permission
from buildfarm_web.read_models.auth import accounts as people
from buildfarm_web.read_models.auth import audit_log
from buildfarm_web.read_models.auth.accounts import account_of, token_of

blueprint = Blueprint("api_people", __name__, url_prefix="/api/v1")


def passwords() -> Passwords:
    """Return what passwords are kept with. :raises NotAllowed: this hub lets nobody in with one."""
    tools = app_context().login
    if tools is None or not the_hub().config.farm.login.passwords:
        raise NotAllowed(
            "nobody logs in with a password here", hint="`login.passwords` in farm.yaml"
        )
    return tools.passwords


@blueprint.get("/accounts")
@reads("people", AccountList, secured=True)
def list_accounts() -> Response:
    """All accounts."""
    require_permission(Action.ACCOUNTS)
    with the_hub().store.read() as tx:
        return jsonify(people.accounts(tx))


@blueprint.post("/accounts")
@writes("people", AccountRequest, {HTTPStatus.CREATED: Account})
def post_account() -> tuple[Response, HTTPStatus]:
    """Make an account."""
    actor, body = require_permission(Action.ACCOUNTS).name, read_body(AccountRequest)
    made = accounts.create(
        the_hub(), body.name, role=body.role, sigs=body.sigs, passwords=passwords() if body.password else None,
        password=body.password, actor=actor, why=body.reason,
    )  # fmt: skip
    return jsonify(account_of(made)), HTTPStatus.CREATED


@blueprint.post("/accounts/<account>/rights")
@writes("people", DueRights, Account)
def post_rights(account: str) -> Response:
    """Give an account another role and other SIGs. A reason is due."""
    actor, body = require_permission(Action.ACCOUNTS).name, read_body(RightsRequest)
    changed = accounts.set_rights(
        the_hub(), account, role=body.role, sigs=body.sigs, actor=actor, why=body.reason
    )
    return jsonify(account_of(changed))


@blueprint.post("/accounts/<account>/disable")
@writes("people", DueReason, Account)
def disable(account: str) -> Response:
    """Close an account: its sessions end, its tokens open nothing. A reason is due."""
    return _disable(account, disabled=True)


@blueprint.post("/accounts/<account>/enable")
@writes("people", DueReason, Account)
def enable(account: str) -> Response:
    """Open a closed account again. A reason is due."""
    return _disable(account, disabled=False)


def _disable(account: str, *, disabled: bool) -> Response:
    actor, why = require_permission(Action.ACCOUNTS).name, read_body(ReasonRequest).reason
    return jsonify(
        account_of(
            accounts.set_disabled(the_hub(), account, disabled=disabled, actor=actor, why=why)
        )
    )


@blueprint.post("/accounts/<account>/password")
@writes("people", PasswordRequest, Account)
def post_password(account: str) -> Response:
    """Give an account another password; its sessions end."""
    actor, body = require_permission(Action.ACCOUNTS).name, read_body(PasswordRequest)
    return jsonify(
        account_of(
            accounts.set_password(the_hub(), passwords(), account, body.password, actor=actor)
        )
    )


@blueprint.get("/account")
@reads("people", OwnAccount, secured=True)
def own_account() -> Response:
    """Return the caller's account, permissions, tokens and sessions: the JSON representation of the
    page.
    """
    asker = require_login()
    with the_hub().store.read() as tx:
        return jsonify(people.own_account(the_hub(), tx, asker, access.session_id()))


@blueprint.post("/account/password")
@writes("people", PasswordRequest, PasswordChanged)
def own_password() -> Response:
    """Change one's own password; the former one is due."""
    asker, body = require_login(), read_body(PasswordRequest)
    change_own_password(asker, body.former, body.password)
    return jsonify(PasswordChanged(account=asker.account, changed=True))


def change_own_password(asker: Principal, former: str, password: str) -> None:
    """Change the asker's password and end every other session.

    :raises InputError: the former one is wrong.
    """
    if not asker.account:
        raise InputError(
            f"{asker.name} is a token without an account", hint="ask with a token of your account"
        )
    try:
        logging_in.with_password(
            the_hub(), passwords(), asker.account, former, address=request.remote_addr or ""
        )
    except TooManyTries:
        raise
    except NotAllowed as error:
        raise InputError(
            "the former password is wrong", hint="an admin can give you another"
        ) from error
    accounts.set_password(
        the_hub(),
        passwords(),
        asker.account,
        password,
        actor=asker.name,
        keep_session=access.session_id(),
    )


@blueprint.get("/tokens")
@reads("people", TokenList, TokensQuery, secured=True)
def list_tokens() -> Response:
    """One's own tokens; admins see another ``account``'s, or with ``all=1`` everybody's."""
    asker, account = require_login(), request.args.get("account", "")
    everybodys = flag("all")
    if everybodys or account not in ("", asker.account) or not asker.account:
        require_permission(Action.ACCOUNTS)
    with the_hub().store.read() as tx:
        return jsonify(people.tokens(tx, account="" if everybodys else account or asker.account))


@blueprint.post("/tokens")
@writes("people", TokenRequest, {HTTPStatus.CREATED: IssuedToken}, HTTPStatus.NOT_FOUND)
def post_token() -> tuple[Response, HTTPStatus]:
    """Issue a token; ``token`` is shown in this answer and never again."""
    asker, body = require_login(), read_body(TokenRequest)
    issued = issue_token(asker, body)
    with the_hub().store.read() as tx:
        shown = token_of(issued.token, tx)
    answer = jsonify(IssuedToken(**fields_of(shown), token=issued.secret))
    answer.headers["Cache-Control"] = "no-store"
    return answer, HTTPStatus.CREATED


def issue_token(asker: Principal, body: TokenRequest) -> tokens.Issued:
    """Issue a token for the asker's own account, or (admins) another."""
    account = body.account or asker.account
    if account != asker.account:
        require_permission(Action.ACCOUNTS)
    if not account:
        raise InputError(
            f"{asker.name} has no account a token could belong to", hint="name an `account`"
        )
    return tokens.issue(
        the_hub(), asker, account=account, name=body.name, role=body.role, sigs=body.sigs, actions=body.actions, days=body.days
    )  # fmt: skip


@blueprint.post("/tokens/<token>/revoke")
@writes("people", ReasonRequest, Token)
def revoke_token(token: str) -> Response:
    """End a token now: one's own, or (admins) anybody's."""
    return jsonify(revoke(require_login(), token, why=read_body(ReasonRequest).reason))


def revoke(asker: Principal, token: str, *, why: str) -> Token:
    """End a token of the asker's account, or (admins) any."""
    anybodys = access.has_permission(Action.ACCOUNTS)
    if asker.actions is not None and not anybodys:
        raise NotAllowed(
            "a token for some acts alone ends no tokens", hint="log in, or use a token for all acts"
        )
    if not anybodys and not asker.account:
        require_permission(Action.ACCOUNTS)
    ended = tokens.revoke(the_hub(), asker, token, of="" if anybodys else asker.account, why=why)
    with the_hub().store.read() as tx:
        return token_of(ended, tx)


@blueprint.get("/audit")
@reads("people", ActList, ActsQuery)
def audit() -> Response:
    """People's acts, the newest first; ``actor`` and ``subject`` filter."""
    with the_hub().store.read() as tx:
        return listed(audit_log.acts(tx, access.seen(), **acts_wanted(), limit=limit()))


def acts_wanted() -> dict[str, str]:
    """The filters of the audit log, as they stand in the URL."""
    args = request.args
    return {name: args.get(name, "").strip() for name in ("actor", "subject", "cursor")}


@blueprint.get("/login")
@reads("people", WaysIn, LoginQuery)
def ways_in() -> Response:
    """Return the ways to log in, and the caller: the JSON representation of the page."""
    return jsonify(ways())


def ways() -> WaysIn:
    """Return how one can log in here, and who one is."""
    login, tools = the_hub().config.farm.login, app_context().login
    issuer = login.oidc if tools is not None and tools.issuer is not None else None
    return WaysIn(
        password=tools is not None and login.passwords,
        oidc=issuer.title if issuer else "",
        you=access.seen().name,
    )
