# SPDX-License-Identifier: Apache-2.0
"""Completion for bash: one function, in which a `case` knows what every option takes.

readline splits words at `=`, so `--report sarif=x` comes as three; and a branch may be called like a command
substitution, so no word is ever expanded (`compgen -W` would).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from scanner import __version__
from scanner.commands.shells.table import Entry, Value, groups

_START: Final = r"""# Completion of sealgate for bash, written by 'sealgate completion bash' (@VERSION@).

_sealgate_offer() {  # WORDS: those that begin with what is typed
    local word
    for word in $1; do
        if [[ $word == "$typed"* ]]; then COMPREPLY+=("$word"); fi
    done
}

_sealgate_revisions() {
    local name begin=${typed%"${typed##*..}"}
    typed=${typed##*..}
    while IFS= read -r name; do
        if [[ $name == "$typed"* ]]; then COMPREPLY+=("$begin$(printf %q "$name")"); fi
    done < <(echo HEAD; git for-each-ref --format='%(refname:short)' 2>/dev/null)
}

_sealgate() {
    local typed=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} assigned='' value='' word
    COMPREPLY=()
    if [[ $typed == = ]]; then
        typed='' assigned=yes
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]} assigned=yes
    fi
    if (( COMP_CWORD == 1 )); then
        _sealgate_offer '@COMMANDS@ --help --version'
        return
    fi
    case $command in
        @GROUPS@)
            if (( COMP_CWORD == 2 )); then
                case $command in
@SECONDS@
                esac
                return
            fi
            command+=" ${COMP_WORDS[2]}"
            ;;
    esac
    for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
        # What comes now is the command to run, and its own words.
        if [[ $word == -- ]]; then compopt -o default; return; fi
    done
    case "$command $before" in
@VALUES@
    esac
    if [[ -z $value && -n $assigned ]]; then
        # A report's file.
        value=files
    elif [[ -z $value && $typed == -* ]]; then
        case $command in
@OPTIONS@
        esac
        return
    elif [[ -z $value ]]; then
        case $command in
@ARGUMENTS@
        esac
    fi
    case $value in
        files) compopt -o default ;;
        folders) compopt -o dirnames ;;
        revisions) _sealgate_revisions ;;
        report*) compopt -o nospace; _sealgate_offer "${value#report}" ;;
        words*) _sealgate_offer "${value#words}" ;;
    esac
}

complete -F _sealgate sealgate
"""


def write(table: Mapping[str, Entry]) -> str:
    """Return the text to source."""
    seconds = groups(table)
    parts = {
        "VERSION": __version__,
        "COMMANDS": " ".join(dict.fromkeys(name.partition(" ")[0] for name in table)),
        "GROUPS": "|".join(seconds),
        "SECONDS": _cases(16, ((first, f"_sealgate_offer '{' '.join(words)}'") for first, words in seconds.items())),
        "VALUES": _cases(8, _values(table)),
        "OPTIONS": _cases(12, ((f"'{name}'", f"_sealgate_offer '{_names(entry)}'") for name, entry in table.items())),
        "ARGUMENTS": _cases(
            12, ((f"'{name}'", f"value={_quoted(entry.arguments[0])}") for name, entry in table.items() if entry.arguments)
        ),
    }
    text = _START
    for key, part in parts.items():
        text = text.replace(f"@{key}@", part)
    return text


def _cases(indent: int, branches: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{' ' * indent}{pattern}) {body} ;;" for pattern, body in branches)


def _values(table: Mapping[str, Entry]) -> Iterable[tuple[str, str]]:
    """Yield for every kind of value the options that take it."""
    patterns: dict[str, list[str]] = {}
    for name, entry in table.items():
        for option in entry.options:
            if option.value:
                patterns.setdefault(_quoted(option.value), []).extend(f"'{name} {one}'" for one in option.names)
    return (("|".join(options), f"value={value}") for value, options in patterns.items())


def _quoted(value: Value) -> str:
    """Return a value as the function takes it: its kind, and the words."""
    return f"'{' '.join([value.kind, *value.words])}'"


def _names(entry: Entry) -> str:
    return " ".join(name for option in entry.options for name in option.names if name.startswith("--"))
