"""The command line: Koji-like verbs over the API, and the farm's own processes."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points

import click

from buildfarm import log
from buildfarm.cli import enrolling, machine, output, processes, queries, verbs
from buildfarm.errors import BuildFarmError


class WithPlugins(click.Group):
    """A group that also has the commands of other installed wheels (entry points ``buildfarm.commands``), loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Ours and theirs."""
        return sorted({*super().list_commands(ctx), *entry_points(group="buildfarm.commands").names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Ours first."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        for point in entry_points(group="buildfarm.commands", name=cmd_name):
            loaded: click.Command = point.load()
            return loaded
        return None


@click.group(cls=WithPlugins, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="buildfarm")
def cli() -> None:
    """A self-hosting RPM build farm: ingest, debrand, plan, build, compare, publish."""


for command in (
    *queries.COMMANDS,
    *verbs.COMMANDS,
    *machine.COMMANDS,
    *processes.COMMANDS,
    *enrolling.COMMANDS,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: errors become one line with the next step, and exit code 1 (2 for a wrong call)."""
    log.configure()
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        output.err.print("interrupted")
        sys.exit(130)
    except BuildFarmError as error:
        output.err.print(f"[bold red]error:[/] {output.plain(str(error))}", highlight=False)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
