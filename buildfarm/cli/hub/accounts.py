"""``buildfarm account`` and ``buildfarm token``: accounts, and the API tokens of programs."""

from __future__ import annotations

import sys

import click

from buildfarm import bootstrap, config
from buildfarm.api.responses.auth.accounts import Account, Way
from buildfarm.cli import output
from buildfarm.cli.hub.queries import at, client, json_option
from buildfarm.domain.auth.permissions import Action, Role
from buildfarm.services.auth import accounts

_ROLES = click.Choice([role.value for role in Role])
_ACTIONS = click.Choice([action.value for action in Action])

role_option = click.option("--role", type=_ROLES, required=True, help="The account's role.")
sig_option = click.option(
    "--sig", "sigs", multiple=True, help="A SIG that the account belongs to (repeat for more)."
)
reason_option = click.option("--reason", required=True, help="The reason, for the audit log.")


def _asked_password(prompt: str = "Password") -> str:
    """Read a password, typed twice at a terminal, or one line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _summary(account: Account) -> str:
    sigs = f" for SIG {', '.join(account.sigs)}" if account.sigs else ""
    return f"{account.name}: {account.role}{sigs}{', disabled' if account.disabled else ''}"


@click.group("account")
def account() -> None:
    """Create, list, change and disable accounts (admins)."""


@account.command("add")
@click.argument("name")
@role_option
@sig_option
@click.option("--no-password", is_flag=True, help="Make an account that only tokens can use.")
@click.option("--local", is_flag=True, help="Write to this machine's farm, which need not run yet.")
@click.option("--reason", default="", help="The reason, for the audit log.")
@json_option
def add(
    name: str,
    role: str,
    sigs: tuple[str, ...],
    reason: str,
    *,
    no_password: bool,
    local: bool,
    as_json: bool,
) -> None:
    """Create the account NAME; its password is prompted for, or read from standard input."""
    password = "" if no_password else _asked_password()
    if local:
        made = _add_here(name, Role(role), sigs, password, reason)
    else:
        made = client().accounts.make(name, Role(role), sigs=sigs, password=password, reason=reason)
    if as_json:
        output.as_json(made)
    else:
        click.echo(_summary(made))


def _add_here(name: str, role: Role, sigs: tuple[str, ...], password: str, reason: str) -> Account:
    """Create the first admin of a farm that does not run yet."""
    loaded = config.load()
    bootstrap.initialise(loaded)
    passwords = bootstrap.login_tools(loaded).passwords if password else None
    made = accounts.create(
        bootstrap.hub_of(loaded), name, role=role, sigs=sigs, passwords=passwords,
        password=password, actor="cli", why=reason
    )  # fmt: skip
    ways: list[Way] = ["password"] if password else []
    return Account(
        name=made.id,
        role=made.role,
        sigs=[*made.sigs],
        login=ways,
        disabled=made.disabled,
        created=made.created,
    )


@account.command("list")
@json_option
def list_accounts(*, as_json: bool) -> None:
    """List accounts."""
    found = client().accounts.list()
    if as_json:
        output.as_json({"accounts": [one.to_json() for one in found]})
        return
    rows = [
        (
            one.name,
            one.role,
            ", ".join(one.sigs),
            ", ".join(one.login) or "token",
            "disabled" if one.disabled else "",
        )
        for one in found
    ]
    output.table(("Account", "Role", "SIGs", "Logs in by", "State"), rows)


@account.command("role")
@click.argument("name")
@role_option
@sig_option
@reason_option
def role(name: str, role: str, sigs: tuple[str, ...], reason: str) -> None:
    """Set the role and the SIGs of the account NAME."""
    click.echo(_summary(client().accounts.set_rights(name, Role(role), sigs=sigs, reason=reason)))


@account.command("disable")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Enable it again.")
@reason_option
def disable(name: str, reason: str, *, undo: bool) -> None:
    """Disable the account NAME: its sessions end and its tokens are refused."""
    change = client().accounts.enable if undo else client().accounts.disable
    click.echo(_summary(change(name, reason=reason)))


@account.command("password")
@click.argument("name")
def password(name: str) -> None:
    """Set the password of the account NAME; its sessions end."""
    client().accounts.set_password(name, _asked_password())
    click.echo(f"{name}: the password is changed")


@click.group("token")
def token() -> None:
    """Issue, list and revoke API tokens: your own, or (admins) those of others."""


@token.command("add")
@click.argument("name")
@click.option("--account", "owner", default="", help="The owner (default: you).")
@click.option("--role", type=_ROLES, default=None, help="A lower role than the account's.")
@sig_option
@click.option(
    "--action",
    "actions",
    type=_ACTIONS,
    multiple=True,
    help="Allow only this action (repeat for more).",
)
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=90,
    show_default=True,
    help="Days until it expires.",
)
@json_option
def add_token(
    name: str,
    owner: str,
    role: str | None,
    sigs: tuple[str, ...],
    actions: tuple[str, ...],
    days: int,
    *,
    as_json: bool,
) -> None:
    """Issue a token and print it, this once; NAME describes its purpose."""
    made = client().tokens.issue(
        name, account=owner, role=Role(role) if role else None, sigs=sigs,
        actions=[Action(word) for word in actions], days=days
    )  # fmt: skip
    if as_json:
        output.as_json(made)
        return
    until = at(made.expires) if made.expires else "it is revoked"
    click.echo(f"token {made.id} of {made.account}, {made.role}, until {until}", err=True)
    click.echo(made.token)


@token.command("list")
@click.option("--account", "owner", default="", help="The tokens of this account (default: yours).")
@click.option("--all", "everything", is_flag=True, help="The tokens of all accounts.")
@json_option
def list_tokens(owner: str, *, everything: bool, as_json: bool) -> None:
    """List tokens, without their secrets."""
    found = client().tokens.list(account=owner, everybodys=everything)
    if as_json:
        output.as_json({"tokens": [one.to_json() for one in found]})
        return
    rows = [
        (
            one.id, one.account, one.name, ", ".join(one.actions) or one.role, one.state,
            at(one.expires) if one.expires else "never", at(one.used) if one.used else "never",
        )
        for one in found
    ]  # fmt: skip
    output.table(("Token", "Account", "For", "May", "State", "Ends", "Used"), rows)


@token.command("revoke")
@click.argument("token_id", metavar="TOKEN")
@click.option("--reason", default="", help="The reason, for the audit log.")
def revoke_token(token_id: str, reason: str) -> None:
    """Revoke TOKEN (an id of `token list`)."""
    ended = client().tokens.revoke(token_id, reason=reason)
    click.echo(f"{ended.id}: {ended.state}")


COMMANDS = (account, token)
