# SPDX-License-Identifier: Apache-2.0
"""docs/broker.md, as it stands there: run against a real server, before the checkers that users have, and beside the code."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml
from checkers import WORKFLOW_CHECKERS, accepts, check_workflow, program
from issuer import Issuer
from lab import Bao, bao_program, free_port

import scanner
from scanner.broker import faults, policy
from scanner.broker.audit.count import KINDS
from scanner.broker.engines import ENGINES
from scanner.broker.lint.problems import RULES
from scanner.cli import COMMANDS
from scanner.platforms import PLATFORMS

ROOT: Final = Path(scanner.__file__).parent.parent
TEXT: Final = (ROOT / "docs/broker.md").read_text()
AUDIENCE: Final = "https://vault.example.org"
# How the issuers of the platforms are called in it: the test's own stands for both.
ISSUERS: Final = ("https://token.actions.githubusercontent.com", "https://gitlab.com")


def blocks(language: str, heading: str = "") -> list[str]:
    """Return the code of a language, in the whole document or below one heading."""
    text = TEXT if not heading else TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, heading
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [code for one, code in found if one == language]


def example(name: str) -> str:
    (found,) = [block for block in blocks("yaml") if block.startswith(f"# {name}\n")]
    return found


def table(header: str) -> list[list[str]]:
    """Return the cells of the table that begins with this header."""
    (rows,) = re.findall(rf"^{re.escape(header)}.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows.splitlines()]


def names(header: str) -> list[str]:
    """Return what the first column of a table has in code style."""
    return [name for row in table(header) for name in re.findall(r"`([^`]+)`", row[0])]


def options(command: str) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"scanner.commands.{COMMANDS[command].module}").configure(parser)
    return {option for action in parser._actions for option in action.option_strings}


BROKER: Final = [command for command in COMMANDS if command.startswith("broker ")]


class Laptop(NamedTuple):
    """What the laptop part leaves: a server with its roles, the issuer, the output, and the environment of the shell."""

    server: Bao
    issuer: Issuer
    output: str
    environ: dict[str, str]
    folder: Path

    def shell(self, script: str, **environ: str) -> tuple[int, str]:
        """Run a script of the document with this server in the place of the one it names."""
        script = script.replace("http://127.0.0.1:8200", self.server.address)
        for issuer in ISSUERS:
            script = script.replace(issuer, self.issuer.url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env={**self.environ, **environ},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout

    def job(self, script: str, **environ: str) -> tuple[int, str]:
        """Run a job's command, which finds Sealgate on PATH, and trusts the test's issuer besides the platform's."""
        script = re.sub(r'"\$\w+[^" ]*/bin/sealgate" broker exec', f"sealgate broker exec --issuer {self.issuer.url}", script)
        return self.shell(script, VAULT_ADDR=self.server.address, **environ)

    def github(self, script: str) -> tuple[int, str]:
        given = {"URL": f"{self.issuer.url}/token?api-version=2.0", "TOKEN": self.issuer.request_token}
        job = {f"ACTIONS_ID_TOKEN_REQUEST_{name}": value for name, value in given.items()}
        return self.job(script, GITHUB_ACTIONS="true", RUNNER_TEMP=str(self.folder), **job)

    def gitlab(self, script: str, **claims: Any) -> tuple[int, str]:
        job = {"project_id": "22", "namespace_id": "72", "ref": "main", "pipeline_source": "push"}
        token = self.issuer.mint(**{"aud": AUDIENCE, "environment": None, **job, **claims})
        environ = {"GITLAB_CI": "true", "CI_SERVER_URL": self.issuer.url, "CI_PROJECT_DIR": str(self.folder / "project")}
        return self.job(script, SEALGATE_ID_TOKEN=token, **environ)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """All of the laptop part and the platforms' roles, done as the document says."""
    folder = tmp_path_factory.mktemp("laptop")
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "sealgate"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" PYTHONSAFEPATH=1 exec "{sys.executable}" -m scanner "$@"\n')
    program.chmod(0o755)
    (folder / "deploy").write_text('#!/bin/sh\necho "deployed with $DB_PASSWORD"\ntest -n "$DB_PASSWORD"\n')
    (folder / "deploy").chmod(0o755)
    install, serve, *rest = blocks("sh", "Five minutes on a laptop")
    assert install.startswith("pip install ")
    command = shlex.split(serve)
    assert command[:2] == ["bao", "server"]
    port = free_port(2)
    server = Bao([*command[2:], f"-dev-listen-address=127.0.0.1:{port}"], f"http://127.0.0.1:{port}", folder, {})
    issuer = Issuer()
    path = os.pathsep.join([str(programs), os.path.dirname(bao_program()), os.environ["PATH"]])
    # Nothing of the machine that runs this, which may be a job itself.
    made = Laptop(server, issuer, "", {"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8"}, folder)
    try:
        server.wait_for(200)
        code, output = made.shell("\n".join([*rest, *blocks("sh", "A role that is right")]))
        assert code == 0, output
        server.root = re.findall(r"-dev-root-token-id=(\S+)", serve)[0]
        yield made._replace(output=output)
    finally:
        server.stop()
        issuer.stop()


def test_the_laptop_part_does_what_it_says(laptop: Laptop) -> None:
    (wanted,) = blocks("", "Five minutes on a laptop")
    assert wanted in laptop.output
    assert laptop.output.count("The password is ***.") == 2
    assert "the token fits\n" in laptop.output
    value = laptop.server.request("GET", "secret/data/ci/app").json()["data"]["data"]["password"]
    assert value not in laptop.output


def test_the_roles_are_those_that_lint_asks_for(laptop: Laptop) -> None:
    token = f"VAULT_ADDR={laptop.server.address} VAULT_TOKEN={laptop.server.root}"
    code, output = laptop.shell(f"{token} sealgate broker lint --mount jwt --mount github --mount gitlab --secret secret/ci/app")
    assert code == 0, output
    assert "none fails the gate" in output


def test_the_github_job_gets_the_secret(laptop: Laptop) -> None:
    step = yaml.safe_load(example(".github/workflows/deploy.yml"))["jobs"]["deploy"]["steps"][-1]
    code, output = laptop.github(step["run"])
    assert code == 0, output
    assert "deployed with ***\n" in output
    assert "the token: ended" in output


def test_the_gitlab_job_gets_the_secret_on_its_branch_only(laptop: Laptop) -> None:
    (script,) = yaml.safe_load(example(".gitlab-ci.yml"))["deploy"]["script"]
    code, output = laptop.gitlab(script)
    assert code == 0, output
    assert "deployed with ***\n" in output
    for claims in ({"ref": "topic"}, {"ref_protected": "false"}, {"project_id": "23"}, {"aud": "https://gitlab.com"}):
        code, output = laptop.gitlab(script, **claims)
        assert code == 125, output
        assert "deployed" not in output


def test_the_policy_and_the_set_of_the_configuration(laptop: Laptop) -> None:
    config = laptop.folder / "policy.yaml"
    config.write_text(example(".sealgate.yaml"))
    script = '"$RUNNER_TEMP/bin/sealgate" broker exec --mount github --role ROLE --set app --config policy.yaml -- ./deploy'
    code, output = laptop.github(script.replace("ROLE", "deploy"))
    assert code == 0, output
    assert "deployed with ***\n" in output
    code, output = laptop.github(script.replace("ROLE", "other"))
    assert code == 125
    assert "no entry gives the role other" in output


def _workflow() -> str:
    return example(".github/workflows/deploy.yml")


def _workflow_with_steps() -> str:
    """The workflow with the steps of `broker env` in the place of its last one."""
    (steps,) = blocks("yaml", "Secrets for later steps")
    body = _workflow().partition("      - name: Deploy\n")[0]
    return body + "".join(f"      {line}\n" for line in steps.splitlines())


def _workflow_with_the_action() -> str:
    return example(".github/workflows/migrate.yml")


@pytest.mark.parametrize("checker", WORKFLOW_CHECKERS)
@pytest.mark.parametrize("text", [_workflow, _workflow_with_steps, _workflow_with_the_action])
def test_the_workflow_is_valid_and_safe(tmp_path: Path, text: Any, checker: str) -> None:
    # The pedantic zizmor dislikes every runner of one's own; the document says what to beware of, and what a hosted one takes.
    workflow = text().replace("[self-hosted, laptop]", "ubuntu-24.04") if checker == "zizmor" else text()
    check_workflow(checker, workflow, tmp_path, labels=("laptop",))


def test_the_actions_inputs_are_named() -> None:
    action = yaml.safe_load((ROOT / "actions/vault-credentials/action.yml").read_text())
    assert names("| input | default |") == list(action["inputs"])


def test_the_gitlab_job_is_valid(tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(example(".gitlab-ci.yml"))
    accepts(program("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", file)


@pytest.mark.parametrize("command", BROKER)
def test_every_option_is_in_the_document(command: str) -> None:
    named = set(re.findall(r"--[a-z][a-z-]*", TEXT))
    assert not options(command) - named


def test_every_option_of_the_document_exists() -> None:
    known = set().union(*(options(command) for command in [*BROKER, "scan"]))
    assert not set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT)) - known


def test_every_command_of_the_document_takes_its_options() -> None:
    lines = re.sub(r"\\\n\s*", " ", "\n".join([*blocks("sh"), *re.findall(r"`(sealgate [^`]+)`", TEXT)])).splitlines()
    lines += [step["run"] for step in _steps() if "sealgate" in step.get("run", "")]
    lines += yaml.safe_load(example(".gitlab-ci.yml"))["deploy"]["script"]
    checked = 0
    for line in lines:
        for rest in re.findall(r'sealgate"? (.*)', line):
            command = next((one for one in COMMANDS if f"{rest} ".startswith(f"{one} ")), None)
            if command is not None:
                given = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.partition(" -- ")[0]))
                assert not given - options(command), line
                checked += 1
    assert checked > 10
    assert {command for command in BROKER if f"`{command}`" in TEXT} == set(BROKER)


def _steps() -> list[dict[str, Any]]:
    workflow = yaml.safe_load(_workflow())["jobs"]["deploy"]["steps"]
    (later,) = blocks("yaml", "Secrets for later steps")
    return [*workflow, *yaml.safe_load(later)]


def test_the_tables_are_those_of_the_code() -> None:
    assert names("| name |") == list(PLATFORMS)
    assert names("| engine |") == list(ENGINES)
    assert names("| rule |") == list(RULES)
    assert [(row[1], row[2]) for row in table("| rule |")] == [(rule.severity, rule.name) for rule in RULES.values()]
    assert {row[0].strip("`"): row[1] for row in table("| kind |")} == KINDS
    assert sorted(names("| key |")) == sorted(policy.KEYS)
    elsewhere = {"name", "role", "audience", "platform", "issuer", "subject"}
    assert set(names("| condition |")) == set(policy._ENTRY_KEYS) - elsewhere
    section = TEXT.partition("## The claims policy")[2]
    assert all(f"`{name}`" in section for name in elsewhere)


def test_the_fault_table_is_the_brokers() -> None:
    words = {
        "retry": "tries again until the deadline",
        "retry-few": "tries four times",
        "new-jwt": "tries once more, with a fresh identity token",
        "login-again": "logs in again, once",
        "clock": "waits for it once, if it takes 60 s at most",
        "stop": "stops",
    }
    wanted = [
        [fault.message.format(claim="X", said="…", status="N"), words[fault.remedy], str(fault.error.exit_code)]
        for fault in faults.FAULTS
    ]
    assert table("| what is the matter |") == wanted


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target
