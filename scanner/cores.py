# SPDX-License-Identifier: Apache-2.0
"""How many processor cores this process may use, which in a container or a CI job is less than the machine has.

Two things can say less: the scheduler's affinity, and the quota of the control group that the process is in or of
any group around that (cgroups(7); /proc/PID/cgroup and /proc/PID/mountinfo in proc(5)).
"""

import os
from collections.abc import Iterator
from math import ceil


def cores(process: str = "/proc/self") -> int:
    """Return how many cores may be used, at least 1; part of a core counts as one."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        count = os.cpu_count() or 1
    return max(1, min([count, *map(ceil, _quotas(process))]))


def _quotas(process: str) -> Iterator[float]:
    """Yield the limits of the process's groups, in cores, where there are any."""
    try:
        groups = _read(os.path.join(process, "cgroup")).splitlines()
        mounts = _read(os.path.join(process, "mountinfo")).splitlines()
    except OSError:  # another system, or nothing is to be seen from in here
        return
    for group in groups:
        number, _, rest = group.partition(":")
        controllers, _, path = rest.partition(":")
        unified = number == "0" and not controllers
        if unified or "cpu" in controllers.split(","):
            for mount in mounts:
                yield from _quotas_at(mount, path, unified=unified)


def _quotas_at(mount: str, path: str, *, unified: bool) -> Iterator[float]:
    """Yield the limits of a group and of those around it, where this is the mount that shows them."""
    place, _, kind = mount.partition(" - ")
    fields, (name, _, options) = place.split(" "), kind.split(" ", 2)
    if name != ("cgroup2" if unified else "cgroup") or not (unified or "cpu" in options.split(",")):
        return
    # A container sees its own group as the root of the mount, and may yet be told the path from the real root.
    root, folder = _unescape(fields[3]), _unescape(fields[4])
    inside = path.removeprefix(root) if root != "/" else path
    here = os.path.normpath(os.path.join(folder, inside.lstrip("/")))
    if os.path.commonpath((folder, here)) != folder:
        here = folder
    while True:
        quota = _quota(here, unified=unified)
        if quota is not None:
            yield quota
        if here == folder:
            return
        here = os.path.dirname(here)


def _quota(folder: str, *, unified: bool) -> float | None:
    try:
        if unified:
            quota, period = _read(os.path.join(folder, "cpu.max")).split()
        else:
            quota, period = (_read(os.path.join(folder, f"cpu.cfs_{part}_us")) for part in ("quota", "period"))
        limit = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # no such file in the root group; "max" is no number
        return None
    return limit if limit > 0 else None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def _unescape(path: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(octal, character)
    return path
