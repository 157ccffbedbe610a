# SPDX-License-Identifier: Apache-2.0
"""Completion for fish: a line for every option."""

from collections.abc import Iterator, Mapping
from typing import Final

from scanner import __version__
from scanner.commands.shells.table import Entry, Option, Value, groups

_START: Final = r"""# Completion of sealgate for fish, written by 'sealgate completion fish' (@VERSION@).

function __sealgate_words  # the words before the cursor begin with these; 'only' where there is nothing else
    set -l words (commandline -opc)
    set -e words[1]
    if test "$argv[1]" = only
        set -e argv[1]
        test (count $words) -eq (count $argv); or return 1
    end
    test (count $argv) -eq 0; and return 0
    test "$words[1..$(count $argv)]" = "$argv"
end

function __sealgate_revisions
    set -l begin (string match -r '^.*\.\.+' -- (commandline -ct))
    for name in HEAD (git for-each-ref --format='%(refname:short)' 2>/dev/null)
        echo "$begin$name"
    end
end

function __sealgate_reports
    set -l typed (commandline -ct)
    if string match -q '*=*' -- $typed
        set -l format (string replace -r '=.*' '=' -- $typed)
        for file in (__fish_complete_path (string replace -r '^[^=]*=' '' -- $typed))
            echo $format$file
        end
    else
        printf '%s\n' $argv
    end
end

complete -c sealgate -f
"""


def write(table: Mapping[str, Entry]) -> str:
    """Return the text to source."""
    return _START.replace("@VERSION@", __version__) + "\n".join(_lines(table)) + "\n"


def _lines(table: Mapping[str, Entry]) -> Iterator[str]:
    seconds = groups(table)
    for name, entry in table.items():
        first, _, second = name.partition(" ")
        where = f"only {first}" if second else "only"
        yield f"complete -c sealgate -n '__sealgate_words {where}' -a {second or first} -d {_quoted(entry.brief)}"
    for first, words in seconds.items():
        yield f"complete -c sealgate -n '__sealgate_words only' -a {first} -d {_quoted(', '.join(words))}"
    for name, entry in table.items():
        begin = f"complete -c sealgate -n '__sealgate_words {name}'"
        for option in entry.options:
            yield f"{begin} {_option(option)} -d {_quoted(option.brief)}"
        for value in entry.arguments[:1]:
            yield f"{begin} {_value(value)}"
        if entry.runs_command:
            yield f"{begin} -F"


def _option(option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    return f"{names} -r {_value(option.value)}" if option.value else names


def _value(value: Value) -> str:
    return {
        "words": f"-f -a '{' '.join(value.words)}'",
        "files": "-F",
        "folders": "-f -a '(__fish_complete_directories (commandline -ct))'",
        "revisions": "-f -a '(__sealgate_revisions)'",
        "report": f"-f -a '(__sealgate_reports {' '.join(value.words)})'",
        "free": "-f",
    }[value.kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
