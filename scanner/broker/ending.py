# SPDX-License-Identifier: Apache-2.0
"""What `broker env` leaves for `broker end`: a file that says what is alive, and its proven end in another process.

Who may end a token? Revoking by accessor takes a policy that lets a job end anybody's token, and an identity token that is
still good at the job's end. Any token may revoke itself. So the file keeps the token, in a directory of the user's own
(0700, in memory where there is such a place), and the end needs nothing else: no login, no policy but the default one,
no network but Vault's. The price: a later step of the job, which runs as the same user, could take the token from the
file and do what the role allows until the end. It was given the secrets anyway; who does not want that keeps the
accessor alone (`with_token=False`) and gives the role that ends it `update` on auth/token/revoke-accessor.

The file is written right after the login, before anything is read, so that a job which is killed has left it; what is
not ended by then, ends with the token's TTL.
"""

import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from scanner.broker.closing import Held, close_all, moment
from scanner.broker.connection import Settings
from scanner.broker.export import write_private
from scanner.broker.files import private_parent
from scanner.broker.model import Deadline, End, Lease, VaultToken
from scanner.broker.session import Kept
from scanner.broker.vault import Vault
from scanner.display import one_line
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret

_VERSION: Final = 1
_MAX_BYTES: Final = 4 << 20
_SUFFIX: Final = ".json"
_ASK_SECONDS: Final = 10.0
# What tells one job from another on the same machine, whichever platform it is.
_JOB: Final = (
    "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "RUNNER_NAME", "CI_JOB_ID", "CIRCLE_WORKFLOW_JOB_ID",
    "CIRCLE_NODE_INDEX", "BUILDKITE_JOB_ID", "BITBUCKET_STEP_UUID", "SYSTEM_JOBID", "AGENT_NAME",
)  # fmt: skip


class Left(NamedTuple):
    """One session that is alive: how to reach its server, what it has to end, and the folder with its files, if any."""

    settings: Settings
    kept: Kept
    files: str = ""


class Outcome(NamedTuple):
    """How a session ended; `unreachable` says that the server could not be asked, so that it is worth another try."""

    ends: tuple[End, ...]
    unreachable: bool


def state_folder(environ: Mapping[str, str]) -> str:
    """Return the folder for this job's states: the same for all steps of a job, another one for every job."""
    job = "\0".join(f"{name}={environ[name]}" for name in _JOB if environ.get(name))
    parent, _ = private_parent(environ)
    return os.path.join(parent, f"sealgate-state-{os.geteuid()}-{hashlib.sha256(job.encode()).hexdigest()[:16]}")


def make_folder(folder: str) -> None:
    """Make the folder, or check that nobody else can have put anything there. Raises `ConfigError`."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        _check_folder(folder)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {one_line(folder)}: {error.strerror}", "check --state") from None


def _check_folder(folder: str) -> None:
    about = os.lstat(folder)
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o077:
        raise ConfigError(f"{one_line(folder)} is not a folder of yours alone", "name one with mode 0700, or none: --state")


class State:
    """One session's file in a folder, written anew as the session grows."""

    def __init__(self, folder: str, *, with_token: bool = True) -> None:
        make_folder(folder)
        self.path = os.path.join(folder, secrets.token_hex(8) + _SUFFIX)
        self.files = self.path.removesuffix(_SUFFIX)
        self._with_token = with_token

    def write(self, settings: Settings, kept: Kept, *, with_files: bool = False) -> None:
        """Write what there is to end. Raises `ConfigError`."""
        document = _document(Left(settings, kept, self.files if with_files else ""), with_token=self._with_token)
        write_private(self.path, json.dumps(document).encode())

    def write_files(self, files: Mapping[str, Secret]) -> str:
        """Write secrets to files of their names, and return their folder."""
        make_folder(self.files)
        for name, secret in files.items():
            write_private(os.path.join(self.files, name), secret.reveal())
        return self.files

    def remove(self) -> None:
        """Remove the file, the secrets beside it, and the folder if nothing else is in it."""
        remove(self.path)


def remove(path: str) -> None:
    """Remove a state, its files, and its folder if that is empty then. Raises `ConfigError` where something is left."""
    folder = os.path.dirname(path)
    try:
        files = path.removesuffix(_SUFFIX)
        if os.path.isdir(files) and not os.path.islink(files):
            shutil.rmtree(files)
        if os.path.lexists(path):
            os.unlink(path)
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    except OSError as error:
        raise ConfigError(f"{one_line(folder)} could not be removed: {error.strerror}", "remove it") from None


def states(folder: str) -> Iterator[str]:
    """Yield the files of the sessions that are alive; none where there is no such folder. Raises `ConfigError`."""
    if not os.path.lexists(folder):
        return
    _check_folder(folder)
    for name in sorted(os.listdir(folder)):
        if name.endswith(_SUFFIX) and not name.startswith("."):
            yield os.path.join(folder, name)


def _document(left: Left, *, with_token: bool) -> dict[str, Any]:
    kept = left.kept
    return {
        "version": _VERSION,
        "settings": left.settings._asdict(),
        "tokens": [
            {**token._asdict(), "secret": _text(token.secret) if with_token else ""} for token in kept.tokens
        ],
        "token_until": kept.token_until,
        "may_revoke": kept.may_revoke,
        "leases": [
            {
                **held.lease._asdict(),
                "values": {},
                # With another token than its own a lease can be neither renewed nor looked up for its end.
                "lease_id": _text(held.lease.lease_id) if with_token and held.lease.lease_id else "",
                "until": held.until,
            }
            for held in kept.leases
        ],
        "files": left.files,
    }  # fmt: skip


def load(path: str) -> Left:
    """Return what a state says. Raises `ConfigError` for one that is damaged or not private."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            about = os.fstat(stream.fileno())
            data = stream.read(_MAX_BYTES)
        if about.st_uid != os.geteuid() or about.st_mode & 0o077:
            raise ConfigError(f"the state {one_line(path)} is not yours alone", "nothing of it is believed")
        return _left(json.loads(data))
    except OSError as error:
        raise ConfigError(f"cannot read the state {one_line(path)}: {error.strerror}", "check --state") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(f"the state {one_line(path)} is damaged", "what it speaks of ends with its TTL") from None


def _left(document: Mapping[str, Any]) -> Left:
    if document["version"] != _VERSION:
        raise ValueError
    said = document["settings"]
    certificate = said["client_certificate"]
    settings = Settings(**{
        **said, "addresses": tuple(said["addresses"]), "client_certificate": tuple(certificate) if certificate else None,
    })  # fmt: skip
    tokens = tuple(
        VaultToken(**{**token, "secret": Secret(token["secret"].encode()), "policies": tuple(token["policies"])})
        for token in document["tokens"]
    )
    leases = tuple(_held(dict(lease)) for lease in document["leases"])
    return Left(
        settings, Kept(tokens, float(document["token_until"]), leases, document["may_revoke"] is True), str(document["files"])
    )


def _held(lease: dict[str, Any]) -> Held:
    until = float(lease.pop("until"))
    lease_id = lease["lease_id"]
    return Held(Lease(**{**lease, "lease_id": Secret(lease_id.encode()) if lease_id else None}), until)


def has_token(left: Left) -> bool:
    """Whether the session can end itself."""
    return all(token.secret.reveal() for token in left.kept.tokens)


def end(left: Left, deadline: Deadline) -> Outcome:
    """End a session by its own token, and look whether it has ended; one that has ended already is well."""
    kept = left.kept
    vault = Vault(left.settings, deadline)
    alive = []
    gone: list[End] = []
    try:
        for number, token in enumerate(kept.tokens, 1):
            what = "the token" if len(kept.tokens) == 1 else f"token {number} of {len(kept.tokens)}"
            try:
                known = vault.within(Deadline(min(_ASK_SECONDS, deadline.remaining()))).lives(token)
            except UnavailableError as error:
                return Outcome((*gone, *_all_live(left, error.message)), unreachable=True)
            if known:
                vault.adopt(token)
                alive.append(token)
            else:
                gone.append(End(what, "ended", None, "the server does not know it any more"))
        if alive:
            ends = close_all(vault, alive, kept.token_until, kept.leases, may_revoke=kept.may_revoke)
        else:
            ends = [_ended_with_token(held) for held in kept.leases if held.lease.lease_id is not None]
        return Outcome((*gone, *ends), unreachable=any(map(_lives, ends)) and not _answers(vault, kept))
    finally:
        vault.close()


def _ended_with_token(held: Held) -> End:
    detail = "its token has ended, and the server ends it with that"
    return End(f"the lease of {held.lease.path}", "queued", moment(held.until), detail)


def _all_live(left: Left, why: str) -> Iterator[End]:
    until = moment(left.kept.token_until) if left.kept.token_until else None
    for held in left.kept.leases:
        if held.lease.lease_id is not None:
            yield End(f"the lease of {held.lease.path}", "lives", moment(held.until), why)
    for _ in left.kept.tokens:
        yield End("the token", "lives", until, why)


def _lives(one: End) -> bool:
    return one.state == "lives" and one.revocable


def _answers(vault: Vault, kept: Kept) -> bool:
    try:
        vault.within(Deadline(2)).lives(kept.tokens[-1])
    except UnavailableError:
        return False
    return True


def end_by_accessor(vault: Vault, accessor: str, until: float) -> End:
    """End a token by its accessor, with another one that may do that, and look whether it has ended.

    Its leases end with it. Raises `UnavailableError`.
    """
    late = moment(until) if until else None
    try:
        if not vault.revoke_accessor(accessor):
            return End("the token", "ended", None, "the server does not know it any more")
    except DeniedError as error:
        return End("the token", "lives", late, f"the role that ends it may not revoke by accessor: {error.message}")
    try:
        if vault.lookup_accessor(accessor) is not None:
            return End("the token", "lives", late, "the server still knows it after its revocation")
    except DeniedError:
        # Who may revoke and not look asks for another revocation: of what is gone there is none.
        if vault.revoke_accessor(accessor):
            return End("the token", "queued", late, "the server has taken its revocation, and may not be asked for it")
    return End("the token", "ended", None, "revoked by its accessor, all its leases with it")


def _text(secret: Secret) -> str:
    return secret.reveal().decode("utf-8", "replace")
