# SPDX-License-Identifier: Apache-2.0
"""What GitHub's runner is to an action: environment files, workflow commands, masks, and the steps of action.yml.

Expressions, files and commands follow the runner's own code and the toolkit (`src/Runner.Worker` in actions/runner,
`packages/core` in actions/toolkit), as far as our actions need them.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

_FILES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
_COMMAND = re.compile(r"::([a-z-]+)(?: ([^\n]*?))?::(.*)")
_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|([A-Za-z_][\w.-]*)|(\(\)|&&|\|\||[!=]=|[!()]))")
_OPERATORS = {"&&": " and ", "||": " or ", "!": " not "}


def runner_reads(text: str) -> dict[str, str]:
    """Read an environment file as GitHub's runner does on Linux."""
    found, index = {}, 0

    def line() -> str | None:
        nonlocal index
        if index >= len(text):
            return None
        end = text.find("\n", index)
        taken, index = (text[index:], len(text)) if end < 0 else (text[index:end], end + 1)
        return taken

    while (one := line()) is not None:
        if not one:
            continue
        equals, heredoc = one.find("="), one.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, found[name] = one.partition("=")
            continue
        assert heredoc > 0, one
        name, _, delimiter = one.partition("<<")
        start = end = index
        while (part := line()) != delimiter:
            assert part is not None, "the delimiter is missing"
            end = index - 1
        found[name] = text[start:end]
    return found


def runner_masks(lines: Iterable[str]) -> set[str]:
    """Return what GitHub's runner would hide after these lines."""
    found: set[str] = set()
    for line in lines:
        assert line.startswith("::add-mask::")
        assert "\n" not in line
        assert "\r" not in line
        value = line.removeprefix("::add-mask::").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        found |= {value, *filter(None, (part.strip() for part in re.split("[\r\n]", value)))}
    return found


class Log(NamedTuple):
    """What a step printed, as the runner shows it: masked, without the commands; and these, as (name, properties, text)."""

    shown: str
    commands: tuple[tuple[str, str, str], ...]
    masks: frozenset[str]

    @classmethod
    def of(cls, raw: str, masks: Iterable[str] = ()) -> Log:
        """Read what was printed; `masks` are those of earlier steps."""
        shown, commands, hidden, resume = [], [], set(masks), ""
        for line in raw.splitlines():
            if resume:
                resume = "" if line == f"::{resume}::" else resume
            elif found := _COMMAND.fullmatch(line):
                if found[1] == "add-mask":
                    hidden |= runner_masks([line])
                    continue
                if found[1] == "stop-commands":
                    resume = found[3]
                else:
                    commands.append((found[1], found[2] or "", found[3]))
            for mask in sorted(hidden, key=len, reverse=True):
                line = line.replace(mask, "***")  # noqa: PLW2901  as it is shown
            shown.append(line)
        return cls("\n".join(shown), tuple(commands), frozenset(hidden))

    def of_kind(self, name: str) -> list[str]:
        return [text for kind, _, text in self.commands if kind == name]


class Ran(NamedTuple):
    """How an action ended: its exit code, log, outputs, summary, the steps that ran, and what the `uses` were given."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    steps: tuple[str, ...]
    uses: dict[str, dict[str, str]]
    commands: tuple[tuple[str, str, str], ...]


class Runner:
    """A job on a runner: its temporary folder, and the environment that its steps have left."""

    def __init__(self, environ: Mapping[str, str], temporary: Path, workspace: Path) -> None:
        self.temporary = temporary
        self.workspace = workspace
        self.environ = {
            **environ, "CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(temporary), "GITHUB_WORKSPACE": str(workspace),
        }  # fmt: skip
        self.state: dict[str, str] = {}
        self.masks: frozenset[str] = frozenset()
        self._count = 0
        temporary.mkdir(parents=True, exist_ok=True)

    def composite(self, action: Path, inputs: Mapping[str, str], env: Mapping[str, str], workspace: Path | None = None) -> Ran:
        """Run an action's steps; those that use other actions are noted, not run."""
        document = yaml.safe_load((action / "action.yml").read_text())
        assert set(inputs) <= set(document["inputs"])
        context = _Context({name: str(one.get("default", "")) for name, one in document["inputs"].items()} | dict(inputs))
        environ = {**self.environ, **env, "GITHUB_ACTION_PATH": str(action)}
        code, logs, summaries, steps, uses = 0, [], [], [], {}
        for step in document["runs"]["steps"]:
            if not context.holds(step.get("if", "success()"), failed=code != 0):
                continue
            steps.append(step["name"])
            if "uses" in step:
                uses[step["uses"].partition("@")[0]] = {key: context.fill(value) for key, value in step["with"].items()}
                continue
            own = {name: context.fill(value) for name, value in step["env"].items()}
            command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", context.fill(step["run"])]
            folder = self._folder()
            status, raw = self._run(command, environ | own, folder, workspace or self.workspace)
            logs.append(raw)
            code = code or status
            context.outputs[step["id"]] = runner_reads((folder / "GITHUB_OUTPUT").read_text())
            summaries.append((folder / "GITHUB_STEP_SUMMARY").read_text())
        outputs = {name: context.fill(one["value"]) for name, one in document["outputs"].items()}
        raw = "".join(logs)
        return Ran(code, raw, outputs, "".join(summaries), tuple(steps), uses, Log.of(raw).commands)

    def javascript(self, action: Path, stage: str, inputs: Mapping[str, str], *, interrupt_after: str = "") -> tuple[int, Log]:
        """Run `main` or `post` of an action with real node; what it leaves is there for the steps after it.

        `interrupt_after`: a text in the log on which the job is cancelled, as the runner does it: SIGINT first.
        """
        document = yaml.safe_load((action / "action.yml").read_text())
        assert set(inputs) <= set(document["inputs"])
        given = {name: str(one.get("default", "")) for name, one in document["inputs"].items()} | dict(inputs)
        environ = self.environ | {f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in given.items()}
        environ |= {f"STATE_{name}": value for name, value in self.state.items()}
        folder = self._folder()
        command = [node(), str(action / document["runs"][stage])]
        status, raw = self._run(command, environ, folder, self.workspace, interrupt_after)
        log = Log.of(raw, self.masks)
        self.masks = log.masks
        self.environ |= runner_reads((folder / "GITHUB_ENV").read_text())
        self.state |= runner_reads((folder / "GITHUB_STATE").read_text())
        return status, log

    def _folder(self) -> Path:
        self._count += 1
        folder = self.temporary / f"_runner_file_commands-{self._count}"
        folder.mkdir()
        for name in _FILES:
            (folder / name).touch()
        return folder

    def _run(
        self, command: Sequence[str], environ: Mapping[str, str], folder: Path, workspace: Path, interrupt_after: str = ""
    ) -> tuple[int, str]:
        files = {name: str(folder / name) for name in _FILES}
        process = subprocess.Popen(
            command, cwd=workspace, env={**environ, **files}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert process.stdout
        with process:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if interrupt_after and interrupt_after in line:
                    process.send_signal(signal.SIGINT)
        return process.returncode, "".join(lines)


class _Context:
    """The values of expressions: inputs, and the outputs of the steps that have run."""

    def __init__(self, inputs: Mapping[str, str]) -> None:
        self.inputs = inputs
        self.outputs: dict[str, dict[str, str]] = {}

    def fill(self, text: str) -> str:
        """Replace each `${{ }}` of a text by its value."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: self._text(self._value(found[1], failed=False)), str(text))

    def holds(self, condition: str, *, failed: bool) -> bool:
        """Whether a step runs; without a function of the status only where none has failed."""
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", condition)
        if not re.search(r"\b(?:success|failure|always|cancelled)\(\)", condition):
            condition = f"success() && ({condition})"
        return bool(self._value(condition, failed=failed))

    def _value(self, expression: str, *, failed: bool) -> Any:
        return eval("".join(self._python(expression)), {}, {"self": self, "failed": failed})  # noqa: S307  our own action's

    def _python(self, expression: str) -> Iterator[str]:
        position = 0
        while expression[position:].strip():
            found = _TOKEN.match(expression, position)
            assert found, expression
            position = found.end()
            text, name, operator = found.groups()
            if text:
                yield repr(text[1:-1].replace("''", "'"))
            elif name and expression.startswith("()", position):
                position += 2
                yield {"success": "not failed", "failure": "failed", "always": "True", "cancelled": "False"}[name]
            elif name:
                yield f"self._look_up({name!r})"
            else:
                yield _OPERATORS.get(operator, operator)

    def _look_up(self, name: str) -> str:
        kind, _, rest = name.partition(".")
        if kind == "inputs":
            return self.inputs[rest]
        if kind == "steps":
            step, _, output = rest.partition(".outputs.")
            return self.outputs.get(step, {}).get(output, "")
        return {"runner.os": "Linux", "runner.arch": "X64", "github.token": ""}[name]

    @staticmethod
    def _text(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)


def node() -> str:
    """Return the program, or skip the test."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v\n").partition(".")[0]) < 20:
        pytest.skip(f"node is {version.strip()}; runners have 24, and 20 is the oldest that does")
    return program
