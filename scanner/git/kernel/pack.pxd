# SPDX-License-Identifier: Apache-2.0

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t


from scanner.git.kernel.inflate cimport Inflater


# Kinds of objects as a pack numbers them; what an entry ends in is one of the first four, 0 where it is unknown.
cdef enum:
    OFS_DELTA = 6
    REF_DELTA = 7


cdef struct Entry:
    uint64_t offset   # of the entry's header in the pack
    uint64_t start    # of the compressed data
    uint64_t size     # of the data when inflated; a delta's own size, not that of what it makes
    uint32_t name     # the number of its id in the index
    int32_t base
    uint8_t kind
    uint8_t last      # the last of its base's children to be read
    uint8_t parent    # has children


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


cdef class Pack:
    cdef readonly size_t count
    cdef object _content, _names
    cdef const uint8_t *_data
    cdef const uint8_t *_ids
    cdef size_t _end
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
    cdef int64_t _at(self, uint64_t offset, size_t before) noexcept
    cdef int64_t _named(self, const uint8_t *name) noexcept
    cdef int _tell_kinds(self) except -1
    cdef size_t _preorder(self, int kind, const uint8_t *needed, int32_t *first, int32_t *after, int32_t *heirs,
                          int32_t *todo, int32_t *order) noexcept
    cdef int _inflate(self, size_t number, uint8_t *out, size_t size) except -1
    cdef bytes content(self, size_t number, bytes base, Copied *copied)
    cdef bytes _apply(self, const uint8_t *data, size_t size, bytes base, Copied *copied)


cdef uint64_t read_size(const uint8_t *data, size_t size, size_t *at) except? 0xffffffffffffffff
