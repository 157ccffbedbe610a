# SPDX-License-Identifier: Apache-2.0
"""Print what makes a shell complete Sealgate's commands and options with the tab key.

Examples:
  sealgate completion bash > ~/.local/share/bash-completion/completions/sealgate
  sealgate completion zsh > ~/.zfunc/_sealgate       ~/.zshrc has fpath+=~/.zfunc before compinit
  sealgate completion fish > ~/.config/fish/completions/sealgate.fish

The text is complete in itself: pressing the key does not start Sealgate. Write it anew after an update. (bash 4 or newer.)
"""

import argparse
from collections.abc import Mapping
from typing import Final

from scanner.errors import OK

SHELLS: Final = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"which one: {', '.join(SHELLS)}")


def run(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print the text for the shell."""
    from scanner.commands.shells import bash, fish, zsh
    from scanner.commands.shells.table import load_table

    write = {"bash": bash.write, "zsh": zsh.write, "fish": fish.write}[options.shell]
    print(write(load_table()), end="")
    return OK
