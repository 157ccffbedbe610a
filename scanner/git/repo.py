# SPDX-License-Identifier: Apache-2.0
"""Hermetic git: finds a repository and runs git in it so that no configuration can matter.

A scanner meets repositories that want to mislead it or run something through it. What is done here:

- the repository is found by looking, not by asking git, and then named to git outright (`GIT_DIR`,
  `GIT_WORK_TREE`): a `core.worktree` cannot move the scan elsewhere, and git has no reason to doubt
  a repository that another user owns, as is usual in CI containers;
- every `GIT_*` variable is dropped, but for those by which a hook is told of the index or the
  quarantine that it has to judge, and those only where the hook's own repository is scanned;
- system and user configuration are not read, and what a repository's own could run or hide is
  overridden one by one; only plumbing commands are used, and none that would touch a filter driver.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from scanner.display import one_line
from scanner.errors import ConfigError, SourceError
from scanner.git.process import Process

# What `git commit -a`, a partial commit and receive-pack's quarantine tell their hooks.
_HOOK_VARIABLES: Final = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
)

_ENVIRONMENT: Final[Mapping[str, str]] = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    # git before 2.44 does not know the variable above. This one outranks `protocol.*.allow`, with which
    # a repository could ask for its missing objects through `ext::any command`.
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}

_OVERRIDES: Final = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    f"core.excludesFile={os.devnull}",
    "core.untrackedCache=false",
    "core.quotePath=false",
    "core.ignoreCase=false",  # on a case-sensitive disk it hides an untracked `A` beside a tracked `a`
    # Both are derived data: they can only make git see another history than its objects tell.
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.preloadIndex=false",
    "core.sshCommand=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.allow=never",
    "submodule.recurse=false",
    "diff.external=",
    "gc.auto=0",
    "maintenance.auto=false",
    # On a pack of 124 MB of blobs these take git from 63 to 21 MB of memory and cost no time.
    "core.deltaBaseCacheLimit=8m",
    "core.packedGitWindowSize=1m",
    "core.packedGitLimit=8m",
    "core.bigFileThreshold=512m",
)


class Repository:
    """An opened repository; `root` is its working tree, or its git directory where it has none.

    `head` is the commit at HEAD, None while it is unborn. `id_bytes` is the length of an object id.
    """

    __slots__ = ("_command", "_environ", "common_dir", "git_dir", "head", "id_bytes", "root", "shallow", "worktree")

    def __init__(self, git: str, root: str, worktree: str | None, environ: dict[str, str]) -> None:
        self.root = root
        self.worktree = worktree
        self._environ = environ
        overrides = [part for setting in _OVERRIDES for part in ("-c", setting)]
        self._command = [git, *overrides, "-C", root]
        self.git_dir = self.common_dir = environ["GIT_DIR"]
        self.head: str | None = None
        self.shallow = False
        self.id_bytes = 20

    def start(self, *arguments: str, stdin: bytes | None = None) -> Process:
        """Start a git command, to be read as a stream."""
        return Process([*self._command, *arguments], self._environ, stdin)

    def run(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Return the output of a git command that must succeed; `SourceError` where it does not."""
        with self.start(*arguments, stdin=stdin) as git:
            output = git.stdout.read()
            if git.wait() != 0:
                raise SourceError(f"git {arguments[0]} failed in {one_line(self.root)}: {git.complaint()}")
        return output

    @property
    def empty_tree(self) -> str:
        """The id of the tree without entries, which git knows without having it."""
        return _EMPTY_TREES[self.id_bytes]

    def merge_heads(self) -> list[str]:
        """Return the commits that are being merged into HEAD; empty where no merge is in progress."""
        return self._id_lines(os.path.join(self.git_dir, "MERGE_HEAD"))

    def resolve(self, name: str) -> str | None:
        """Return the id of the commit that a revision names; it goes through standard input, so it is no option."""
        if not name or "\n" in name:
            return None
        question = f"{name}^{{commit}}\n".encode("utf-8", "surrogateescape")
        # In a partial clone git dies of an id that it has not got; then there is no answer.
        with self.start("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=question) as git:
            words = git.stdout.read().decode("utf-8", "replace").split()
        return words[0] if len(words) == 2 and is_id(words[0]) and words[1] == "commit" else None

    def blob_id(self, data: bytes) -> str:
        """Return the id that git gives this content."""
        return self.blob_id_of((data,), len(data))

    def blob_id_of(self, pieces: Iterable[bytes], size: int) -> str:
        """Return the id that git gives the content in these pieces."""
        import hashlib  # a change that is staged has its id already

        digest = (hashlib.sha1 if self.id_bytes == 20 else hashlib.sha256)(usedforsecurity=False)
        digest.update(b"blob %d\0" % size)
        for piece in pieces:
            digest.update(piece)
        return digest.hexdigest()

    def shallow_commits(self) -> list[str]:
        """Return the commits whose parents this clone leaves out on purpose."""
        return self._id_lines(os.path.join(self.common_dir, "shallow")) if self.shallow else []

    def is_partial(self) -> bool:
        """Return whether objects may be absent because a remote promised to have them."""
        try:
            return any(name.endswith(".promisor") for name in os.listdir(os.path.join(self.common_dir, "objects/pack")))
        except OSError:
            return False

    def reflog_commits(self) -> list[str]:
        """Return the commits that reflogs name, as far as they are here."""
        if not self._may_have_reflogs():
            return []
        # Git calls it wrong usage where there is no reflog at all.
        with self.start("rev-list", "--no-walk", "--ignore-missing", "--reflog") as git:
            return git.stdout.read().decode("ascii").split()

    def _may_have_reflogs(self) -> bool:
        """Return whether there are reflogs, of any working tree, or tables of refs, which have them inside."""
        if os.path.isdir(os.path.join(self.common_dir, "worktrees")):
            return True
        folders = {self.git_dir, self.common_dir}
        return any(os.path.isdir(os.path.join(folder, name)) for folder in folders for name in ("logs", "reftable"))

    def object_folder(self) -> str | None:
        """Return the folder of the objects; None where variables of a hook name others."""
        if any(name in self._environ for name in ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")):
            return None
        return os.path.join(self.common_dir, "objects")

    def _id_lines(self, path: str) -> list[str]:
        try:
            with open(path, encoding="ascii", errors="replace") as lines:
                return [line.strip() for line in lines if is_id(line.strip())]
        except FileNotFoundError:
            return []

    def inspect(self) -> bool:
        """Fill in what only git knows; return whether git takes the repository for a bare one."""
        output = self.run(
            "rev-parse",
            "--revs-only",
            "--is-bare-repository",
            "--is-shallow-repository",
            "--show-object-format",
            "--absolute-git-dir",
            "--git-common-dir",
            "HEAD",  # the last one: it gives no line while it is unborn, and hides what comes after
        )
        lines = os.fsdecode(output).split("\n")[:-1]
        if is_id(lines[-1]):
            self.head = lines.pop()
        try:
            bare, shallow, object_format, self.git_dir, common_dir = lines
        except ValueError:
            place = one_line(self.root)
            raise SourceError(f"the path of the repository {place} has a newline in it", "move it") from None
        self.common_dir = os.path.join(self.root, common_dir)
        self.shallow = shallow == "true"
        self.id_bytes = 32 if object_format == "sha256" else 20
        return bare == "true"


_EMPTY_TREES: Final[Mapping[int, str]] = {
    20: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    32: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


def is_id(text: str) -> bool:
    """Return whether the text is a whole object id in hex."""
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def open_repository(path: str, *, environ: Mapping[str, str], search: bool = True) -> Repository | None:
    """Return the repository at `path`, or with `search` the one around it; None where there is none.

    `ConfigError` where git is not installed, `SourceError` where git cannot read what is there: a
    broken repository is not taken for a plain directory.
    """
    environ = _clean_environ(environ, keep=os.path.abspath(path) == os.getcwd())
    if "GIT_DIR" in environ:
        return _open_named(environ)
    found = _discover(os.path.realpath(path), search=search)
    if found is None:
        return None
    git_dir, worktree = found
    environ["GIT_DIR"] = git_dir
    if worktree is not None:
        environ["GIT_WORK_TREE"] = worktree
    repository = Repository(find_git(environ), worktree or git_dir, worktree, environ)
    repository.inspect()
    return repository


def _open_named(environ: dict[str, str]) -> Repository:
    """Open the repository that a hook's variables name."""
    here = os.getcwd()
    git_dir = environ["GIT_DIR"] = os.path.abspath(environ["GIT_DIR"])
    if "GIT_WORK_TREE" not in environ:
        repository = Repository(find_git(environ), here, None, environ)
        if repository.inspect():
            return repository
        environ["GIT_WORK_TREE"] = _worktree_around(here, git_dir)
    worktree = environ["GIT_WORK_TREE"] = os.path.abspath(environ["GIT_WORK_TREE"])
    repository = Repository(find_git(environ), worktree, worktree, environ)
    repository.inspect()
    return repository


def _worktree_around(here: str, git_dir: str) -> str:
    """Return the directory around `here` whose `.git` is this git directory, else `here`, as git has it."""
    found = _discover(os.path.realpath(here), search=True)
    if found and found[1] and os.path.realpath(_resolve_git_file(found[0])) == os.path.realpath(git_dir):
        return found[1]
    return here


def find_git(environ: Mapping[str, str]) -> str:
    """Return the absolute path of git; `ConfigError` where `PATH` has none.

    Relative entries of PATH are passed over: they would name a program inside the scanned tree.
    """
    for directory in environ.get("PATH", os.defpath).split(os.pathsep):
        program = os.path.join(directory, "git")
        if os.path.isabs(directory) and os.access(program, os.X_OK) and os.path.isfile(program):
            return program
    raise ConfigError("git was not found on PATH", "install git, or scan a directory, file or --stdin instead")


def _clean_environ(environ: Mapping[str, str], *, keep: bool) -> dict[str, str]:
    cleaned = {name: value for name, value in environ.items() if not name.startswith("GIT_")}
    cleaned.update(_ENVIRONMENT)
    if keep:
        cleaned.update({name: environ[name] for name in _HOOK_VARIABLES if name in environ})
        for name in ("GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"):
            if name in cleaned:
                cleaned[name] = os.path.abspath(cleaned[name])
    return cleaned


def _discover(directory: str, *, search: bool) -> tuple[str, str | None] | None:
    """Return the git directory (or `.git` file) and the working tree, found the way git does it."""
    for candidate in _upwards(directory) if search else (directory,):
        inside = os.path.join(candidate, ".git")
        if os.path.isfile(inside) or _looks_like_git_dir(inside):
            return inside, candidate
        if _looks_like_git_dir(candidate, strictly=True):
            return candidate, None
    return None


def _upwards(directory: str) -> Iterator[str]:
    yield directory
    while (parent := os.path.dirname(directory)) != directory:
        yield parent
        directory = parent


def _looks_like_git_dir(directory: str, *, strictly: bool = False) -> bool:
    """Return whether git's files are there; one will do, so that a broken repository is noticed."""
    found = [os.path.lexists(os.path.join(directory, name)) for name in ("HEAD", "objects", "refs")]
    linked = found[0] and os.path.isfile(os.path.join(directory, "commondir"))
    return linked or (all(found) if strictly else any(found))


def _resolve_git_file(path: str) -> str:
    if not os.path.isfile(path):
        return path
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        target = file.read(4096).removeprefix("gitdir:").strip()
    return os.path.join(os.path.dirname(path), target)
