# SPDX-License-Identifier: Apache-2.0
"""Completion for zsh: one call of `_arguments` for each command."""

from collections.abc import Mapping
from typing import Final

from scanner import __version__
from scanner.commands.shells.table import Entry, Option, Value, groups

_START: Final = r"""#compdef sealgate
# Completion of sealgate for zsh, written by 'sealgate completion zsh' (@VERSION@).

_sealgate_revisions() {
    local -a names
    names=(HEAD ${(f)"$(git for-each-ref --format='%(refname:short)' 2>/dev/null)"})
    compset -P '*..'
    compadd -a names
}

_sealgate_report() {
    if compset -P '*='; then _files; else compadd -S '' -- "$@"; fi
}

_sealgate() {
    local -a commands
    local command=$words[2]
    if (( CURRENT == 2 )); then
        commands=(
@COMMANDS@
        )
        _describe command commands
        return
    fi
    case $command in
        (@GROUPS@)
            if (( CURRENT == 3 )); then
                case $command in
@SECONDS@
                esac
                _describe command commands
                return
            fi
            command+=" $words[3]"
            words=(sealgate "${(@)words[4,-1]}")
            (( CURRENT -= 2 ))
            ;;
        (*)
            words=(sealgate "${(@)words[3,-1]}")
            (( CURRENT -= 1 ))
            ;;
    esac
    case $command in
@ENTRIES@
    esac
}

if [[ $funcstack[1] == _sealgate ]]; then _sealgate "$@"; else compdef _sealgate sealgate; fi
"""


def write(table: Mapping[str, Entry]) -> str:
    """Return the file `_sealgate` of a folder in `fpath`, which can be sourced as well."""
    seconds = groups(table)
    firsts = {name: entry.brief for name, entry in table.items() if " " not in name}
    firsts |= {first: ", ".join(words) for first, words in seconds.items()}
    parts = {
        "VERSION": __version__,
        "COMMANDS": "\n".join(f"            {_described(name, text)}" for name, text in firsts.items()),
        "GROUPS": "|".join(seconds),
        "SECONDS": "\n".join(_second(first, words, table) for first, words in seconds.items()),
        "ENTRIES": "\n".join(_entry(name, entry) for name, entry in table.items()),
    }
    text = _START
    for key, part in parts.items():
        text = text.replace(f"@{key}@", part)
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _described(name: str, text: str) -> str:
    return _quoted(f"{name}:{text}")


def _second(first: str, words: list[str], table: Mapping[str, Entry]) -> str:
    described = " ".join(_described(word, table[f"{first} {word}"].brief) for word in words)
    return f"                    ({first}) commands=({described}) ;;"


def _entry(name: str, entry: Entry) -> str:
    specs = [spec for option in entry.options for spec in _specs(option)]
    for index, value in enumerate(entry.arguments):
        last = index == len(entry.arguments) - 1
        specs.append(_quoted(("*" if entry.many and last else "") + f":argument:{_action(value)}"))
    if entry.runs_command:
        specs.append("'*:: :_normal'")
    lines = " \\\n".join(f"                {spec}" for spec in specs)
    return f"        ({_quoted(name)})\n            _arguments -S \\\n{lines}\n            ;;"


def _specs(option: Option) -> list[str]:
    text = option.brief.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    star = "*" if option.repeatable else ""
    if option.value is None:
        return [_quoted(f"{star}{name}[{text}]") for name in option.names]
    return [_quoted(f"{star}{name}=[{text}]:value:{_action(option.value)}") for name in option.names]


def _action(value: Value) -> str:
    return {
        "words": f"({' '.join(value.words)})",
        "files": "_files",
        "folders": "_files -/",
        "revisions": "_sealgate_revisions",
        # Without the space before it, `_arguments` would put options of its own before the formats.
        "report": f" _sealgate_report {' '.join(value.words)}",
        "free": " ",
    }[value.kind]
