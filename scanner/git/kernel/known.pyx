# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""Objects that are known from earlier scans: which of a pack's entries they are, and which were read now.

They are given as ids in ascending order, one after the other, with a size for each. Ids out of order only make a match
be missed: what is taken for known has been compared byte for byte.
"""

from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy

import array

from scanner.git.kernel.pack cimport Pack

cdef array.array _NUMBERS = array.array("I")


def flag(Pack pack not None, int kind, bytes ids not None, const uint32_t[::1] sizes not None, bytearray flags not None):
    """Flag a pack's entries of a kind that are among these objects; return the number and the sizes of all newly flagged."""
    cdef size_t width = pack._id_bytes, mine = 0, theirs = 0, known = <size_t>sizes.shape[0], found = 0
    cdef const uint8_t *names = <const uint8_t *>PyBytes_AS_STRING(ids)
    cdef uint8_t *flagged = <uint8_t *>PyByteArray_AS_STRING(flags)
    cdef uint64_t total = 0
    cdef size_t number
    cdef int order
    if <size_t>len(flags) != pack.count:
        raise ValueError("flags of another pack")
    if <size_t>len(ids) != known * width:
        raise ValueError("ids without sizes")
    while mine < pack.count and theirs < known:
        order = memcmp(pack._ids + mine * width, names + theirs * width, width)
        if order == 0:
            number = <size_t>pack._numbers[mine]
            if pack._entries[number].kind == kind and not flagged[number]:
                flagged[number] = 1
                found += 1
                total += sizes[theirs]
        mine += order <= 0
        theirs += order >= 0
    return found, total


def collect(Pack pack not None, const uint32_t[::1] marks not None):
    """Return ids and sizes of the entries that have a mark, by their numbers: the size and one, 0 where there is none."""
    cdef size_t width = pack._id_bytes, found = 0, at
    cdef uint32_t mark
    if <size_t>marks.shape[0] != pack.count:
        raise ValueError("marks of another pack")
    for at in range(pack.count):
        found += marks[at] != 0
    cdef bytes ids = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>(found * width))
    cdef array.array sizes = array.clone(_NUMBERS, <Py_ssize_t>found, False)
    cdef uint8_t *names = <uint8_t *>PyBytes_AS_STRING(ids)
    found = 0
    for at in range(pack.count):
        mark = marks[pack._numbers[at]]
        if mark:
            memcpy(names + found * width, pack._ids + at * width, width)
            sizes.data.as_uints[found] = mark - 1
            found += 1
    return ids, sizes


def merge(size_t width, bytes ids not None, const uint32_t[::1] sizes not None, bytes more not None,
          const uint32_t[::1] more_sizes not None):
    """Return ids and sizes of the objects that are in either list, each once."""
    cdef size_t count = <size_t>sizes.shape[0], others = <size_t>more_sizes.shape[0], mine = 0, theirs = 0, found = 0
    cdef const uint8_t *one = <const uint8_t *>PyBytes_AS_STRING(ids)
    cdef const uint8_t *other = <const uint8_t *>PyBytes_AS_STRING(more)
    cdef int order
    if <size_t>len(ids) != count * width or <size_t>len(more) != others * width:
        raise ValueError("ids without sizes")
    cdef bytes names = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>((count + others) * width))
    cdef array.array found_sizes = array.clone(_NUMBERS, <Py_ssize_t>(count + others), False)
    cdef uint8_t *out = <uint8_t *>PyBytes_AS_STRING(names)
    while mine < count or theirs < others:
        if mine == count:
            order = 1
        elif theirs == others:
            order = -1
        else:
            order = memcmp(one + mine * width, other + theirs * width, width)
        if order <= 0:
            memcpy(out + found * width, one + mine * width, width)
            found_sizes.data.as_uints[found] = sizes[mine]
        else:
            memcpy(out + found * width, other + theirs * width, width)
            found_sizes.data.as_uints[found] = more_sizes[theirs]
        found += 1
        mine += order <= 0
        theirs += order >= 0
    array.resize(found_sizes, <Py_ssize_t>found)
    return names[:found * width], found_sizes
