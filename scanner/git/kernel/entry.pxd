# SPDX-License-Identifier: Apache-2.0
# A pack's entries, by the numbers that they have: in the order of their offsets.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cdef enum:
    # Kinds of objects as a pack numbers them; what an entry ends in is one of the first four, 0 where it is unknown.
    OFS_DELTA = 6
    REF_DELTA = 7
    # Where there is no base, or one that is not in the pack.
    NO_BASE = -1
    LOST_BASE = -2
    # More entries are worth a table of as many numbers as 16 bits have.
    MANY = 1 << 14


cdef struct Entry:
    uint64_t offset   # of the entry's header in the pack
    uint64_t start    # of the compressed data
    uint64_t size     # of the data when inflated; a delta's own size, not that of what it makes
    uint32_t name     # the number of its id in the index
    int32_t base
    uint8_t kind
    uint8_t last      # the last of its base's children to be read
    uint8_t parent    # has children


# An entry's offset and the number of its id, while they are sorted.
cdef struct _Placed:
    uint64_t offset
    uint32_t name


cdef inline int place(Entry *entries, const uint64_t *offsets, size_t count) except -1:
    """Number the entries in the order of their offsets: by some bits of them at a time, the lowest first."""
    cdef size_t i, at, sum_
    cdef unsigned int shift = 0, bits = 16 if count > MANY else 8
    cdef size_t values = <size_t>1 << bits
    cdef uint64_t highest = 0
    cdef size_t *starts = <size_t *>malloc(values * sizeof(size_t))
    cdef _Placed *one = <_Placed *>malloc(count * sizeof(_Placed))
    cdef _Placed *other = <_Placed *>malloc(count * sizeof(_Placed))
    try:
        if starts is NULL or one is NULL or other is NULL:
            raise MemoryError
        for i in range(count):
            one[i].offset, one[i].name = offsets[i], <uint32_t>i
            highest |= offsets[i]
        while shift < 64 and highest >> shift:
            memset(starts, 0, values * sizeof(size_t))
            for i in range(count):
                starts[(one[i].offset >> shift) & (values - 1)] += 1
            sum_ = 0
            for i in range(values):
                at = starts[i]
                starts[i] = sum_
                sum_ += at
            for i in range(count):
                at = (one[i].offset >> shift) & (values - 1)
                other[starts[at]] = one[i]
                starts[at] += 1
            one, other = other, one
            shift += bits
        for i in range(count):
            entries[i].offset, entries[i].name = one[i].offset, one[i].name
        return 0
    finally:
        free(starts)
        free(one)
        free(other)


cdef inline int64_t number_at(const Entry *entries, uint64_t offset, size_t before) noexcept:
    """Return the number of the entry that begins at this offset, before another one and mostly near to it, or -1."""
    cdef size_t low, high = before, middle, step = 16
    while step < before and entries[before - step].offset > offset:
        high = before - step
        step *= 4
    low = before - step if step < before else 0
    while low < high:
        middle = (low + high) >> 1
        if entries[middle].offset < offset:
            low = middle + 1
        else:
            high = middle
    return <int64_t>low if low < before and entries[low].offset == offset else -1
