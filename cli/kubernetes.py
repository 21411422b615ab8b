"""`quick k8s …`: what Quick makes in Kubernetes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import rich_click as click

from cli.client import Manager, failing_with
from cli.command import QuickCommand, QuickGroup, examples
from cli.connection import CliError
from cli.moments import as_of_option
from cli.options import manager_options
from core.errors import QuickError, SettingsError

if TYPE_CHECKING:
    from k8s.settings import KubernetesSettings
    from projections.declarations import Declarations

_NEWER: Final = "The manager answered what this version does not understand ({}). Use the version of the manager."

_CANNOT_TELL: Final = 2
"""Exit code, as that of `kubectl diff`."""

OPTIONS: Final = {
    "namespace": ("KUBERNETES_CLIENT_NAMESPACE", "Namespace of all objects; `default` if nothing is said."),
    "registry": ("QUICK_DOCKER_REGISTRY", "Where Quick's image is; where nodes look, if nothing is said."),
    "image": ("QUICK_IMAGE_NAME", "Name of Quick's image; `quick` if nothing is said."),
    "tag": ("QUICK_DEFAULT_IMAGE_TAG", "Its tag for gateways and mirrors that were given none."),
    "host": ("QUICK_INGRESS_HOST", "Host of the gateways' addresses; any, if nothing is said."),
    "instance": ("QUICK_K8S_INSTANCE", "Label of all objects; made from the log, if nothing is said."),
}
"""Variable and meaning of each option that stands for a variable of the environment."""


class _Setting(click.ParamType[str]):
    """The value of a variable, checked as it is there."""

    name = "text"

    def __init__(self, variable: str) -> None:
        self._variable = variable

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from k8s.settings import KubernetesSettings  # noqa: PLC0415 - 50 ms that help texts do not need

        try:
            KubernetesSettings.from_env({self._variable: value})
        except SettingsError as error:
            self.fail(f"{error}.", param, ctx)
        return str(value)


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `OPTIONS`; those that are given are passed as `given`, by the names of their variables."""

    @functools.wraps(command)
    def with_settings(**options: Any) -> None:
        values = {variable: options.pop(name) for name, (variable, _) in OPTIONS.items()}
        command(given={variable: value for variable, value in values.items() if value is not None}, **options)

    for name, (variable, meaning) in reversed(OPTIONS.items()):
        option = click.option(f"--{name}", type=_Setting(variable), envvar=variable, show_envvar=True, help=meaning)
        with_settings = option(with_settings)
    return with_settings


@click.group(cls=QuickGroup, commands={"render": "cli.kubernetes:render", "diff": "cli.kubernetes:diff"})
def kubernetes() -> None:
    """What Quick makes in Kubernetes."""


@click.command(
    "render",
    cls=QuickCommand,
    epilog=examples("quick k8s render --namespace quick | kubectl diff -f -", "quick k8s render --as-of 2h"),
)
@_setting_options
@as_of_option
@manager_options
def render(manager: Manager, at: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Print the objects of everything that is declared, as YAML.

    All other variables that the manager in the cluster has are taken from the environment too. Nothing is applied.
    """
    from k8s.desired import desired  # noqa: PLC0415 - 200 ms that help texts do not need
    from k8s.documents import as_documents  # noqa: PLC0415

    settings = _settings(given)
    with failing_with("Could not read what is declared"):
        declared = _declarations(manager.get("/declarations", **at))
    click.echo(as_documents(desired(declared, settings)), nl=False)


@click.command(
    "diff",
    cls=QuickCommand,
    epilog=examples("quick k8s diff --namespace quick", "quick k8s diff --kube-context production --as-of 2h"),
)
@click.option("--kubeconfig", metavar="FILE", envvar="KUBECONFIG", show_envvar=True, help="File to log in with.")
@click.option("--kube-context", metavar="NAME", help="Its context; the current one, if nothing is said.")
@_setting_options
@as_of_option
@manager_options
@click.pass_context
def diff(
    ctx: click.Context,
    manager: Manager,
    at: Mapping[str, str],
    given: Mapping[str, str],
    kubeconfig: str | None,
    kube_context: str | None,
) -> None:
    """Show what would be changed in the cluster now, as unified diffs. Nothing is changed.

    It takes the rights that the manager in the cluster has. Exit code 0 tells that nothing would be changed, 1 that
    something would, 2 that this cannot be told.
    """
    try:
        has_changes = _print_changes(manager, at, given, kubeconfig, kube_context)
    except (QuickError, click.ClickException) as error:
        click.echo(error.format_message() if isinstance(error, click.ClickException) else str(error), err=True)
        ctx.exit(_CANNOT_TELL)
    ctx.exit(int(has_changes))


def _print_changes(
    manager: Manager, at: Mapping[str, str], given: Mapping[str, str], kubeconfig: str | None, kube_context: str | None
) -> bool:
    """Print what would be changed; return whether anything would.

    Raises:
        CliError: Not all of it can be told.
    """
    from k8s.login import load_credentials  # noqa: PLC0415 - 300 ms that help texts do not need
    from k8s.reconcile import Reconciler  # noqa: PLC0415
    from k8s.rehearsal import Rehearsal, diff_text  # noqa: PLC0415

    settings = _settings(given)
    with failing_with("Could not read what is declared"):
        declared = _declarations(manager.get("/declarations", **at))
    with Rehearsal(replace(load_credentials(kubeconfig, kube_context), namespace=settings.namespace)) as client:
        outcome = Reconciler(client, lambda: declared, settings, lambda: True).reconcile()
    texts = [text for text in map(diff_text, client.changes) if text]
    click.echo("".join(texts), nl=False)
    for note in outcome.notes():
        click.echo(f"# {note}", err=True)
    if troubles := outcome.troubles():
        raise CliError("\n".join(troubles))
    return bool(texts)


def _settings(given: Mapping[str, str]) -> KubernetesSettings:
    from k8s.settings import KubernetesSettings  # noqa: PLC0415 - as above

    try:
        return KubernetesSettings.from_env({**os.environ, **given})
    except SettingsError as error:
        raise CliError(str(error)) from error


def _declarations(answer: Any) -> Declarations:
    import msgspec  # noqa: PLC0415 - as above

    from projections.declarations import Declarations  # noqa: PLC0415

    try:
        return msgspec.convert(answer, Declarations)
    except msgspec.ValidationError as error:
        raise CliError(_NEWER.format(error)) from error
