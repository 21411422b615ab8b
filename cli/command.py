"""The command class of the CLI: what rich-click lacks.

prefixes        `--key` is `--key-type` when no other option begins so
greedy options  `--args a=1 b=2` takes all values up to the next option
plain errors    a usage line, a blank line, `Error: …`, and where to find help; on stderr, exit code 2
lazy groups     a command's module is imported when the command runs, so that `--help` is quick
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import rich_click as click

_NEGATIVE = re.compile(r"-\.?[0-9]")

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class GreedyOption(click.Option):
    """An option that takes all values up to the next option; the command receives a tuple."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "multiple": True})


class Number(click.IntRange):
    """A whole number within bounds; what is none is refused in plain words."""

    name = "integer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number that *value* is."""
        try:
            return int(super().convert(value, None, None))
        except click.BadParameter:
            bound = f"from {self.min}" if self.max is None else f"from {self.min} to {self.max}"
            self.fail(f"{str(value)!r} is no whole number {bound}.", param, ctx)


class QuickCommand(click.RichCommand):
    """A command with unique option prefixes and greedy options."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings["context_settings"] = HELP_NAMES | (settings.get("context_settings") or {})
        super().__init__(*arguments, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse *args* with every option written out."""
        try:
            return super().parse_args(ctx, list(_written_out(self, ctx, args)))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # Click's parser does not say which command was meant.
            raise


class NumbersCommand(QuickCommand):
    """A command whose arguments may be negative numbers: `-5` is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse *args* with the arguments behind the options, where nothing is taken for one."""
        return super().parse_args(ctx, _options_first(self, ctx, args))


class QuickGroup(click.RichGroup):
    """A group whose commands are named and imported late.

    Args:
        commands: `module:attribute` of each command, by name.
    """

    def __init__(self, *arguments: Any, commands: Mapping[str, str], **settings: Any) -> None:
        settings["context_settings"] = HELP_NAMES | (settings.get("context_settings") or {})
        settings.setdefault("no_args_is_help", False)
        super().__init__(*arguments, **settings)
        self._places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they were given."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, `None` when there is none of this name."""
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that *args* name; suggest the nearest for a typo."""
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            near = difflib.get_close_matches(name, self._places, 1)
            raise click.UsageError(f"No such command '{name}'." + (f" Did you mean '{near[0]}'?" if near else ""), ctx)
        return name, command, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say that there is none."""
        if not ctx._protected_args and not ctx.args:  # noqa: SLF001 - where click keeps a group's command line
            raise click.UsageError("No subcommand specified.", ctx)
        return super().invoke(ctx)


class DefaultGroup(QuickGroup):
    """A group that runs its first command when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the default command in front where no command and no help is asked for."""
        names = self.list_commands(ctx)
        if not args or (args[0] not in names and args[0] not in ctx.help_option_names and args[0].startswith("-")):
            args = [names[0], *args]
        return super().parse_args(ctx, args)


def examples(*lines: str) -> str:
    """Return what help shows below a command's options: a paragraph for each line, since it joins the lines of one."""
    return "\n\n".join(("Examples:", *lines))


def usage_error_text(error: click.UsageError) -> str:
    """Return what is shown for a mistake on the command line."""
    ctx = error.ctx
    if ctx is None:
        return f"Error: {error.format_message()}"
    pieces = " ".join(ctx.command.collect_usage_pieces(ctx))
    return (
        f"usage: {ctx.command_path} {pieces}\n\nError: {error.format_message()}\n"
        f"See '{ctx.command_path} {ctx.help_option_names[0]}' for help."
    )


def _written_out(command: click.Command, ctx: click.Context, args: list[str]) -> Iterator[str]:
    """Yield *args* with prefixes of options completed, and with a greedy option repeated before each of its values."""
    options = {name: option for option in command.get_params(ctx) for name in option.opts if name.startswith("-")}
    remaining = iter(args)
    greedy: str | None = None
    for argument in remaining:
        if argument == "--":
            yield argument
            yield from remaining
            return
        if argument.startswith("-") and argument != "-":
            name, is_given, value = argument.partition("=")
            name = _completed(name, list(options), ctx)
            yield f"{name}={value}" if is_given else name
            option = options.get(name)
            greedy = name if isinstance(option, GreedyOption) else None
            if _takes_value(option) and not is_given and (following := next(remaining, None)) is not None:
                yield following
        elif greedy is not None:
            yield greedy
            yield argument
        else:
            yield argument


def _options_first(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """Return *args* with `--` between options and arguments, each in their order; negative numbers are arguments."""
    known = {name: option for option in command.get_params(ctx) for name in option.opts if name.startswith("-")}
    options: list[str] = []
    arguments: list[str] = []
    remaining = iter(args)
    for word in remaining:
        if word == "--":
            arguments += remaining
        elif word == "-" or not word.startswith("-") or _NEGATIVE.match(word):
            arguments.append(word)
        else:
            options.append(word)
            if _takes_value(known.get(_completed(word, list(known), ctx))):
                value = next(remaining, None)
                if value is None:
                    return options  # Else it took the -- for its value.
                options.append(value)
    return [*options, "--", *arguments]


def _completed(name: str, known: list[str], ctx: click.Context) -> str:
    if not name.startswith("--") or name in known:
        return name
    matches = [option for option in known if option.startswith(name)]
    if len(matches) > 1:
        raise click.UsageError(f"Option '{name}' could be {', '.join(sorted(matches))}.", ctx)
    return matches[0] if matches else name


def _takes_value(option: click.Parameter | None) -> bool:
    return isinstance(option, click.Option) and not option.is_flag and not option.count
