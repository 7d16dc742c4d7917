"""The page of all accounts, for admins: who is known here, and the forms that make, change and
close an account.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from buildfarm.api.requests import AccountRequest, RightsRequest
from buildfarm.domain.auth.permissions import Action, Role
from buildfarm.services.auth import accounts
from buildfarm_web.api.accounts import passwords
from buildfarm_web.app_context import the_hub
from buildfarm_web.http.access import require_permission
from buildfarm_web.pages.rendering import render
from buildfarm_web.read_models.auth import accounts as people

blueprint = Blueprint("account_pages", __name__, url_prefix="/accounts")


@blueprint.get("")
def list_accounts() -> str:
    """All accounts."""
    require_permission(Action.ACCOUNTS)
    hub = the_hub()
    with hub.store.read() as tx:
        found, now = people.accounts(tx), tx.now
    sigs = sorted({*hub.config.farm.sigs, *hub.config.sigs.values()})
    return render(
        "auth/accounts.html", now, it=found, roles=[role.value for role in Role], sigs=sigs
    )


@blueprint.post("")
def add() -> Response:
    """Make an account; without a password an admin's token for it lets its owner in."""
    actor, form = require_permission(Action.ACCOUNTS).name, request.form
    body = AccountRequest.model_validate(
        {**_rights(), "name": form.get("name", "").strip(), "password": form.get("password", "")}
    )
    accounts.create(
        the_hub(), body.name, role=body.role, sigs=body.sigs, passwords=passwords() if body.password else None,
        password=body.password, actor=actor, why=body.reason,
    )  # fmt: skip
    return _back("account")


@blueprint.post("/<account>/rights")
def change_rights(account: str) -> Response:
    """Give an account another role and other SIGs."""
    actor, body = require_permission(Action.ACCOUNTS).name, RightsRequest.model_validate(_rights())
    accounts.set_rights(
        the_hub(), account, role=body.role, sigs=body.sigs, actor=actor, why=body.reason
    )
    return _back("rights")


@blueprint.post("/<account>/<any(disable, enable):verb>")
def disable(account: str, verb: str) -> Response:
    """Close an account, or open it again."""
    actor, why = require_permission(Action.ACCOUNTS).name, request.form.get("reason", "")
    accounts.set_disabled(the_hub(), account, disabled=verb == "disable", actor=actor, why=why)
    return _back(verb)


def _rights() -> dict[str, object]:
    """Role, SIGs and reason of a form, as the API would be sent them."""
    form = request.form
    return {
        "role": form.get("role", ""),
        "sigs": form.getlist("sigs"),
        "reason": form.get("reason", ""),
    }


def _back(did: str) -> Response:
    return redirect(url_for("account_pages.list_accounts", did=did), HTTPStatus.SEE_OTHER)
