# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""Trees: which entries they have, told by numbers."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr

from scanner.git.kernel.pack cimport Copies


def select(const uint32_t[::1] numbers not None, const uint8_t[::1] flags not None):
    """Return the numbers that are flagged, in their order."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = flags.shape[0]
    found = []
    for i in range(numbers.shape[0]):
        if numbers[i] < size and flags[numbers[i]]:
            found.append(numbers[i])
    return found


def first(const uint32_t[::1] numbers not None, const uint8_t[::1] flags not None):
    """Return the first number that is flagged, or -1."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = flags.shape[0]
    for i in range(numbers.shape[0]):
        if numbers[i] < size and flags[numbers[i]]:
            return numbers[i]
    return -1


def parse_tree(Copies change not None, bytes data not None, size_t id_bytes, numbers):
    """Return the numbers of a tree's entries as 32-bit integers, or None where it is malformed.

    `numbers` gives each entry (mode, name and id) its number. What the tree has copied from its base has one already:
    an entry that began where one begins in the base goes on like that one as long as both are the same bytes.
    """
    cdef const char *text = PyBytes_AS_STRING(data)
    cdef size_t size = <size_t>PyBytes_GET_SIZE(data), at = 0, count = 0, copy = 0, from_, low, high, middle, stop
    cdef size_t most = size // (id_bytes + 2) + 1
    cdef const uint32_t *base_numbers = NULL
    cdef const uint32_t *base_starts = NULL
    cdef size_t base_count = 0
    cdef const char *found
    cdef uint32_t *made
    cdef uint32_t *starts
    if size > 0x7fffffff:
        return None
    if change.count and size != change.size:
        raise ValueError("not the content that the delta made")
    before = change.before
    if before is not None:
        # Two strings: the numbers, and where their entries begin, with the end of the last one.
        base_count = <size_t>PyBytes_GET_SIZE(<bytes?>before[0]) // 4
        if <size_t>PyBytes_GET_SIZE(<bytes?>before[1]) // 4 != base_count + 1:
            raise ValueError("not what was noted of a tree")
        base_numbers = <const uint32_t *>PyBytes_AS_STRING(before[0])
        base_starts = <const uint32_t *>PyBytes_AS_STRING(before[1])
    made = <uint32_t *>malloc(most * 4)
    starts = <uint32_t *>malloc((most + 1) * 4)
    try:
        if made is NULL or starts is NULL:
            raise MemoryError
        while at < size:
            while base_count and copy < change.count and change.parts[copy].at + change.parts[copy].size <= at:
                copy += 1
            if base_count and copy < change.count and change.parts[copy].at <= at:
                from_ = at - change.parts[copy].at + change.parts[copy].source
                stop = change.parts[copy].source + change.parts[copy].size
                low, high = 0, base_count
                while low < high:
                    middle = (low + high) >> 1
                    if base_starts[middle] < from_:
                        low = middle + 1
                    else:
                        high = middle
                if low < base_count and base_starts[low] == from_ and base_starts[low + 1] <= stop:
                    while low < base_count and base_starts[low + 1] <= stop:
                        made[count] = base_numbers[low]
                        starts[count] = <uint32_t>at
                        at += base_starts[low + 1] - base_starts[low]
                        count += 1
                        low += 1
                    continue
            found = <const char *>memchr(text + at, 0, size - at)
            if found is NULL or found == text + at or size - (found - text) < id_bytes + 1:
                return None
            stop = (found - text) + 1 + id_bytes
            made[count] = <uint32_t>numbers[text[at:stop]]
            starts[count] = <uint32_t>at
            count += 1
            at = stop
        starts[count] = <uint32_t>size
        result = (<const char *>made)[:count * 4]
        change.notes = result, (<const char *>starts)[:(count + 1) * 4]
        return result
    finally:
        free(made)
        free(starts)
