"""
The command line: arguments and environment in, exit status out.

The only reader of the process environment. Leaves out all work: each command imports what it
needs when it runs, so that `--help` and a pre-commit `validate` start quickly.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from daemon import __version__
from daemon.errors import DaemonError
from daemon.settings import load as settings_load
from daemon.settings.model import FIELDS, SECRETS, TABLES, Settings

_F = TypeVar("_F", bound=Callable[..., Any])

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _setting_options(command: _F) -> _F:
    """Give *command* one option per setting; secrets and tables are not for command lines."""
    for name, one in reversed(list(FIELDS.items())):
        if name in SECRETS or name in TABLES:
            continue
        flag = f"--{name.replace('_', '-')}"
        text = f"{one.metadata['doc']} [env: {name.upper()}]"
        command = click.option(flag, name, default=None, metavar="VALUE", help=text)(command)
    return command


def _load(flags: dict[str, object] | None = None) -> Settings:
    """Read all sources; print warnings; a mistake ends the process with status 2."""
    try:
        loaded = settings_load.load(
            environ=os.environ,
            dotenv_text=_text_of(Path(".env")),
            config_text=_text_of(Path("config.toml")),
            flags=flags or {},
        )
    except DaemonError as error:
        raise click.UsageError(error.detail) from error
    for warning in loaded.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    return loaded.settings


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} can't be read: {error}") from error


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="skilld")
def main() -> None:
    """
    Serve WebAssembly Skills over HTTP, as a git-synced directory says.

    \b
    Start with:  skilld serve --namespaces-root namespaces
    Check edits: skilld validate namespaces
    """


@main.command(context_settings=_CONTEXT)
@_setting_options
def serve(**flags: object) -> None:
    """
    Serve the Skills of all namespaces until SIGTERM or Ctrl-C.

    Settings come from these options, then the environment, then `.env`, then `config.toml` in the
    working directory. SIGHUP rescans at once.
    """
    from daemon.lifetime import answer_before_the_start  # noqa: PLC0415 - see the module docstring

    answer_before_the_start()
    settings = _load(flags)
    from daemon import app  # noqa: PLC0415

    try:
        code = app.run(settings)
    except DaemonError as error:
        click.secho(f"error: {error.detail}", fg="red", err=True)
        sys.exit(1)
    sys.exit(code)


@main.command(context_settings=_CONTEXT)
@click.argument("target", type=click.Path(exists=True, path_type=Path), metavar="DIR|FILE")
def validate(target: Path) -> None:
    """
    Check every namespace.toml under DIR (or one FILE), print all mistakes, exit 1 if there are any.

    Fit for a pre-commit hook, a CI step, or a git syncer's exec hook.
    """
    from daemon.reconcile.validate import validate as check  # noqa: PLC0415

    problems = check(target)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        click.secho(f"{len(problems)} mistake(s)", fg="red", err=True)
        sys.exit(1)
    click.secho("all good", fg="green", err=True)


@main.command(context_settings=_CONTEXT)
def schema() -> None:
    """Print the JSON Schema (Draft 4) of namespace.toml, for editors."""
    from daemon.namespaces.schema import schema_text  # noqa: PLC0415

    click.echo(schema_text(), nl=False)


@main.command(context_settings=_CONTEXT)
@_setting_options
def config(**flags: object) -> None:
    """Print every setting with its value in effect, secrets masked."""
    for name, value, doc in settings_load.describe(_load(flags)):
        click.secho(f"# {doc}", dim=True)
        click.echo(f"{name}={value}")


@main.command(context_settings=_CONTEXT)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("reference", metavar="HOST/REPOSITORY/NAME[:TAG]")
@click.option("--user", help="User; otherwise the settings' or docker's credentials are used.")
@click.option("--password-stdin", is_flag=True, help="Read the user's password from stdin.")
@click.option("--plain-http", is_flag=True, help="Talk plain HTTP to this registry.")
@click.option("--ca", type=click.Path(exists=True, path_type=Path), help="Extra CA (PEM).")
@click.option("--force", is_flag=True, help="Publish even what is not a Skill that we can serve.")
def publish(
    file: Path, reference: str, *, user: str | None, password_stdin: bool, **options: Any
) -> None:
    """Push the component FILE to a registry, as a Skill; print its digest."""
    from daemon.commands import publish as command  # noqa: PLC0415

    password = _password(user, asked=password_stdin)
    _run(command(_load(), file, reference, user=user, password=password, **options))


def _password(user: str | None, *, asked: bool) -> str | None:
    if bool(user) != asked:
        raise click.UsageError(
            "--user and --password-stdin go together: "
            'printf %s "$PASSWORD" | skilld publish --user NAME --password-stdin …'
        )
    if not asked:
        return None
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError("--password-stdin: there is no password on standard input")
    return password


@main.group(context_settings=_CONTEXT)
def cache() -> None:
    """Look into the build cache, check it, shrink it."""


@cache.command("ls", context_settings=_CONTEXT)
def cache_ls() -> None:
    """List what is cached, largest first."""
    from daemon.commands import cache_list  # noqa: PLC0415

    _run(cache_list(_load()))


@cache.command("verify", context_settings=_CONTEXT)
def cache_verify() -> None:
    """Check every file against its recorded digest; damaged ones are set aside; exit 1 if any."""
    from daemon.commands import cache_verify as command  # noqa: PLC0415

    _run(command(_load()))


@cache.command("prune", context_settings=_CONTEXT)
@click.option("--all", "everything", is_flag=True, help="Also what was last served.")
def cache_prune(everything: bool) -> None:
    """Remove all that was not last served."""
    from daemon.commands import cache_prune as command  # noqa: PLC0415

    _run(command(_load(), everything=everything))


@main.group(context_settings=_CONTEXT)
def index() -> None:
    """Fill the embedded index that DOCUMENT_INDEX_URL=embedded:PATH names."""


@index.command("add", context_settings=_CONTEXT)
@click.argument("collection", metavar="NAMESPACE/COLLECTION")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILES…"
)
@click.option("--metadata", metavar="JSON", help="A JSON object for all; FILE.json adds to it.")
def index_add(collection: str, files: tuple[Path, ...], metadata: str | None) -> None:
    """Add text and Markdown files, also those below directories; replace what is there."""
    from daemon.index_commands import add  # noqa: PLC0415

    _run(add(_load(), collection, files, metadata=metadata))


@index.command("rm", context_settings=_CONTEXT)
@click.argument("collection", metavar="NAMESPACE/COLLECTION")
@click.argument("names", nargs=-1, required=True, metavar="NAMES…")
def index_rm(collection: str, names: tuple[str, ...]) -> None:
    """Remove documents by the names that `ls` shows; exit 1 if one is not there."""
    from daemon.index_commands import remove  # noqa: PLC0415

    _run(remove(_load(), collection, names))


@index.command("ls", context_settings=_CONTEXT)
@click.argument("collection", required=False, metavar="[NAMESPACE/COLLECTION]")
def index_ls(collection: str | None) -> None:
    """List the collections, or the documents of one."""
    from daemon.index_commands import listing  # noqa: PLC0415

    _run(listing(_load(), collection))


def _run(work: Any) -> None:
    """Run one command to its end; its result is the exit status."""
    try:
        sys.exit(asyncio.run(work))
    except DaemonError as error:
        click.secho(f"error: {error.detail}", fg="red", err=True)
        sys.exit(1)
