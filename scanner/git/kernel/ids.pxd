# SPDX-License-Identifier: Apache-2.0

from cpython.array cimport array
from libc.stdint cimport int64_t, uint8_t, uint32_t

from scanner.git.kernel.growing cimport Text
from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.table cimport Key


cdef class Ids:
    cdef readonly size_t id_bytes
    cdef readonly array flags, places
    cdef Key _key
    cdef uint32_t *_slots
    cdef size_t _slot_count, _slots_used
    cdef list _packs
    cdef const uint8_t **_blocks
    cdef size_t *_firsts
    cdef size_t _block_count, _own_first
    cdef Text _own

    cdef const uint8_t *_id(self, size_t number) noexcept
    cdef uint32_t *_slot(self, const uint8_t *name) noexcept
    cdef int _make_slots(self, size_t more) except -1
    cdef int64_t find_id(self, const uint8_t *name) noexcept
    cdef uint32_t number_in(self, Pack pack, size_t name) except? 0xffffffff
    cdef uint32_t number_id(self, const uint8_t *name) except? 0xffffffff
