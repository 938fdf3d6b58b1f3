"""Shell completion: the script, and what completes with what this host knows."""

from __future__ import annotations

import click

from engine.cli.invocation import Invocation, shared

VARIABLE = "_MENTAT_DR_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@shared
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  mentat-dr completion bash > /etc/bash_completion.d/mentat-dr
    zsh:   mentat-dr completion zsh > /usr/share/zsh/vendor-completions/_mentat-dr
    fish:  mentat-dr completion fish > ~/.config/fish/completions/mentat-dr.fish
    """
    from click.shell_completion import get_completion_class

    from engine.cli.main import group

    completion = get_completion_class(shell)
    if completion is None:
        raise click.UsageError(f"no completion for {shell}")
    script = completion(group, {}, "mentat-dr", VARIABLE)
    # Not script.source(): it runs bash to ask for its version.
    click.echo(script.source_template % script.source_vars())


def source_names(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Configured sources that begin with what is typed; none when there is no configuration."""
    from engine.core.errors import MentatError
    from engine.settings_file import load

    invocation = context.find_object(Invocation)
    try:
        settings = load(invocation.config if invocation else None)
    except MentatError:
        return []
    return [source.name for source in settings.sources if source.name.startswith(typed)]


def job_ids(context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """The newest jobs whose ids begin with what is typed."""
    from engine.core.errors import MentatError

    invocation = context.find_object(Invocation) or Invocation()
    try:
        jobs = invocation.engine().jobs(limit=50)
    except MentatError:
        return []
    return [job.id for job in jobs if job.id.startswith(typed)]
