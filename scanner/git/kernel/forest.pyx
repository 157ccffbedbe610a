# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""The forest that a pack's deltas are: what each one ends in, and an order in which every base comes before its deltas."""

from cpython cimport array
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

import array

from scanner.git.kernel.entry cimport NO_BASE, OFS_DELTA, Entry

cdef array.array _NUMBERS = array.array("i")


cdef int tell_kinds(Entry *entries, size_t count) except -1:
    """Replace the kinds of deltas by that of what they end in; 0 where that is nothing, such as a circle."""
    cdef size_t i
    cdef int32_t at, back, step
    cdef uint8_t kind
    # Turned round on the way to the root, and back again on the way home.
    cdef int32_t *path = <int32_t *>malloc(count * sizeof(int32_t))
    cdef uint8_t *known = <uint8_t *>calloc(count, 1)
    if path is NULL or known is NULL:
        free(path)
        free(known)
        raise MemoryError
    for i in range(count):
        back = 0
        at = <int32_t>i
        while known[at] == 0:
            known[at] = 1  # on the path
            path[back] = at
            back += 1
            if entries[at].kind < OFS_DELTA or entries[at].base < 0:
                break
            at = entries[at].base
        if back == 0:
            continue
        if known[at] == 2:
            kind = entries[at].kind
        elif at == path[back - 1] and entries[at].kind < OFS_DELTA:
            kind = entries[at].kind
        else:
            kind = 0  # a base that is not in this pack, or a circle
        for step in range(back):
            entries[path[step]].kind = kind
            known[path[step]] = 2
    free(path)
    free(known)
    return 0


cdef array.array walk(Entry *entries, size_t count, int kind, const uint8_t[::1] skip):
    """See `Pack.walk`; marks in the entries which are the last of their base's, and which have any."""
    cdef size_t i, filled = 0
    cdef int32_t at, base, largest
    cdef int32_t *first = <int32_t *>malloc(count * sizeof(int32_t))
    cdef int32_t *after = <int32_t *>malloc(count * sizeof(int32_t))
    cdef int32_t *order = <int32_t *>malloc(count * sizeof(int32_t))
    cdef int32_t *heirs = <int32_t *>malloc(count * sizeof(int32_t))
    cdef int32_t *todo = <int32_t *>malloc(count * sizeof(int32_t))
    cdef uint32_t *sizes = <uint32_t *>malloc(count * sizeof(uint32_t))
    cdef uint8_t *needed = <uint8_t *>malloc(count)
    try:
        if not (first and after and order and heirs and todo and sizes and needed):
            raise MemoryError
        if skip is not None and <size_t>skip.shape[0] != count:
            raise ValueError("flags of another pack")
        for i in range(count):
            first[i] = heirs[i] = -1
            sizes[i] = needed[i] = 1
            if entries[i].kind == kind:
                entries[i].last = entries[i].parent = 0
        for i in range(count):
            at = <int32_t>(count - 1 - i)
            base = entries[at].base
            if entries[at].kind == kind and base >= 0:
                after[at] = first[base]
                first[base] = at
        # Without an order among siblings first, to count families from their ends.
        filled = _preorder(entries, count, kind, needed, first, after, heirs, todo, order)
        for i in range(filled if skip is not None else 0):
            needed[order[i]] = skip[order[i]] == 0
        for i in range(filled):
            at = order[filled - 1 - i]
            base = entries[at].base
            if base >= 0 and needed[at]:
                needed[base] = entries[base].parent = 1
                sizes[base] += sizes[at]
                largest = heirs[base]
                if largest < 0 or sizes[at] > sizes[largest]:
                    heirs[base] = at
        for i in range(filled):
            if heirs[order[i]] >= 0:
                entries[heirs[order[i]]].last = 1
        filled = _preorder(entries, count, kind, needed, first, after, heirs, todo, order)
        numbers = array.clone(_NUMBERS, <Py_ssize_t>filled, False)
        if filled:
            memcpy(numbers.data.as_ints, order, filled * sizeof(int32_t))
        return numbers
    finally:
        free(first)
        free(after)
        free(order)
        free(heirs)
        free(todo)
        free(sizes)
        free(needed)


cdef size_t _preorder(Entry *entries, size_t count, int kind, uint8_t *needed, int32_t *first, int32_t *after,
                      int32_t *heirs, int32_t *todo, int32_t *order) noexcept:
    cdef size_t i, filled = 0, waiting
    cdef int32_t at, child
    for i in range(count):
        if entries[i].kind != kind or entries[i].base != NO_BASE or not needed[i]:
            continue
        todo[0] = <int32_t>i
        waiting = 1
        while waiting:
            waiting -= 1
            at = todo[waiting]
            order[filled] = at
            filled += 1
            # The heir goes onto the stack first, so it is taken off last.
            if heirs[at] >= 0:
                todo[waiting] = heirs[at]
                waiting += 1
            child = first[at]
            while child >= 0:
                if child != heirs[at] and needed[child]:
                    todo[waiting] = child
                    waiting += 1
                child = after[child]
    return filled
