# SPDX-License-Identifier: Apache-2.0

from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef struct Copy:
    uint32_t at       # in the result
    uint32_t source   # in the base
    uint32_t size


# The copied parts of one content after the other.
cdef struct Copied:
    Copy *items
    size_t count
    size_t room


cdef class Copies:
    cdef readonly object before
    cdef public object notes
    cdef Copy *parts
    cdef size_t count
    cdef size_t base_size
    cdef size_t size
    cdef int take(self, const Copied *copied, size_t first, size_t base_size, size_t size) except -1


cdef bytes patch(const uint8_t *data, size_t size, bytes base, size_t limit, Copied *copied)
cdef uint64_t read_size(const uint8_t *data, size_t size, size_t *at) except? 0xffffffffffffffff
