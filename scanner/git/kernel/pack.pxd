# SPDX-License-Identifier: Apache-2.0

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from scanner.git.kernel.entry cimport Entry
from scanner.git.kernel.inflate cimport Inflater
from scanner.git.kernel.patch cimport Copied


cdef class Pack:
    cdef readonly size_t count
    cdef object _content, _names, _release
    cdef const uint8_t *_data
    cdef const uint8_t *_ids
    cdef size_t _end
    cdef size_t _block, _mapped   # the block that was read last, and how many were since the last release
    cdef size_t _id_bytes
    cdef size_t _limit
    cdef Entry *_entries
    cdef int32_t *_numbers      # by number of the id in the index
    cdef Inflater _inflater
    cdef uint8_t *_scratch
    cdef size_t _scratch_size
    cdef Copied _copied

    cdef uint64_t _packed(self, int32_t number) except? 0
    cdef void _read_header(self, Entry *entry) noexcept
    cdef int64_t _named(self, const uint8_t *name) noexcept
    cdef int _touch(self, uint64_t start, uint64_t stop) except -1
    cdef int _inflate(self, size_t number, uint8_t *out, size_t size) except -1
    cdef bytes content(self, size_t number, bytes base, Copied *copied)
