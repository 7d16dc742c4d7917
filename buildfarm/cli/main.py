"""The command line: Koji-like commands over the API, and the farm's own processes."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import click

from buildfarm import log
from buildfarm.errors import BuildFarmError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

_MODULES = (
    "hub.queries",
    "hub.actions",
    "hub.overviews",
    "hub.waivers",
    "hub.composes",
    "hub.subscriptions",
    "local.checks",
    "farm.processes",
    "farm.enrolling",
    "hub.accounts",
    "local.debrand",
    "local.brand_scan",
    "local.compare",
    "local.reproduce",
    "local.simulate",
    "hub.parity",
    "hub.triggers",
)
_ALONE = {"compare": "local.compare", "simulate": "local.simulate"}
"""Commands that start fast: only their own module is imported."""


def _points() -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415  # 20 ms, which no command of ours needs

    return entry_points(group="buildfarm.commands")


class Verbs(click.Group):
    """A group that imports a command's module on first use.

    Commands of other installed wheels (entry points ``buildfarm.commands``) come after ours.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """Return every command, of all modules and wheels."""
        own = [name for module in _MODULES for name in _commands(module)]
        return [*own, *sorted(_points().names)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same
        """Return one command; ours take precedence."""
        modules = (_ALONE[cmd_name],) if cmd_name in _ALONE else _MODULES
        own = next(
            (found for module in modules if (found := _commands(module).get(cmd_name))), None
        )
        return own or next((point.load() for point in _points().select(name=cmd_name)), None)


def _commands(module: str) -> dict[str, click.Command]:
    found = importlib.import_module(f"buildfarm.cli.{module}").COMMANDS
    return {command.name: command for command in found}


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}
)
@click.version_option(package_name="buildfarm")
def cli() -> None:
    """A self-hosting RPM build farm: ingest, debrand, plan, build, compare, publish."""


def main() -> None:
    """Run the command; print errors with their next step, and exit with 1 (2: usage error)."""
    log.configure()
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BuildFarmError as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
