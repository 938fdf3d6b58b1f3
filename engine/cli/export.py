"""`mentat-dr export`: what others are configured with. Each thing is a command of its own, named
in EXPORTS; another is added by a line there and a module with its `command`."""

from __future__ import annotations

import click

# name: (module, attribute, help)
EXPORTS: dict[str, tuple[str, str, str]] = {
    "rules": ("export_monitoring", "rules", "Alert rules for Prometheus."),
    "dashboard": ("export_monitoring", "dashboard", "A dashboard for Grafana."),
    "cron": ("export_schedule", "cron", "The schedule as a file for /etc/cron.d."),
    "systemd": ("export_schedule", "systemd", "The schedule as systemd services and timers."),
    "bucket-policy": ("export_policy", "bucket_policy", "What a role may do in the bucket."),
    "kit": ("export_kit", "kit", "The recovery kit: all that a bare machine needs, as a folder."),
}


class ExportGroup(click.Group):
    """Sub-commands by table, imported when used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(EXPORTS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in EXPORTS:
            return None
        from importlib import import_module

        module, attribute, _ = EXPORTS[cmd_name]
        found: click.Command = getattr(import_module(f"engine.cli.{module}"), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in EXPORTS.items()])


@click.group("export", cls=ExportGroup)
def command() -> None:
    """Write what other programs are configured with, to stdout or a file."""
