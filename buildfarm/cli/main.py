"""The command line: Koji-like verbs over the API, and the farm's own processes."""

from __future__ import annotations

import sys

import click

from buildfarm import log
from buildfarm.cli import machine, output, processes, queries, verbs
from buildfarm.errors import BuildFarmError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="buildfarm")
def cli() -> None:
    """A self-hosting RPM build farm: ingest, debrand, plan, build, compare, publish."""


for command in (
    *queries.COMMANDS,
    *verbs.COMMANDS,
    *machine.COMMANDS,
    *processes.COMMANDS,
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
