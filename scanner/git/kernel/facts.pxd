# SPDX-License-Identifier: Apache-2.0

from cpython.array cimport array
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.table cimport Key, Table


cdef struct Text:
    uint8_t *data
    size_t size
    size_t room


cdef struct Numbers:
    uint32_t *items
    size_t count
    size_t room


cdef int write(Text *text, const uint8_t *data, size_t size) except -1
cdef int add_number(Numbers *numbers, uint32_t value) except -1
cdef int add_numbers(Numbers *numbers, const uint32_t *values, size_t count) except -1


cdef class Facts:
    cdef readonly size_t id_bytes
    cdef readonly array flags, places
    cdef readonly array trees, bases, bounds, changes
    cdef readonly array children, labels, kinds
    cdef readonly array commits, roots, times, parents, parent_bounds
    cdef Key _key
    cdef Table _entries, _labels
    cdef uint32_t *_slots
    cdef size_t _slot_count, _slots_used
    cdef list _packs
    cdef const uint8_t **_blocks
    cdef size_t *_firsts
    cdef size_t _block_count, _own_first
    cdef Text _own, _label_text, _line_text
    cdef array _label_ends, _line_ends
    cdef Numbers _numbers

    cdef const uint8_t *_id(self, size_t number) noexcept
    cdef uint32_t *_slot(self, const uint8_t *name) noexcept
    cdef int _make_slots(self, size_t more) except -1
    cdef int64_t find_id(self, const uint8_t *name) noexcept
    cdef uint32_t number_in(self, Pack pack, size_t name) except? 0xffffffff
    cdef uint32_t number_id(self, const uint8_t *name) except? 0xffffffff
    cdef uint32_t _label(self, const uint8_t *text, size_t size) except? 0xffffffff
    cdef uint32_t _entry(self, const uint8_t *text, size_t size, uint8_t kind) except? 0xffffffff
    cdef int64_t take(self, const uint8_t *text, size_t size, size_t *seen) except -2
    cdef size_t write_entry(self, size_t number, Text *out) except 0
    cdef int64_t record(self, size_t number, int64_t base, Numbers *gone, const Numbers *added) except -2
    cdef int _keep(self, size_t number, uint32_t root, uint64_t seconds, const uint8_t *line, size_t size) except -1
    cdef bint take_commit(self, size_t number, const uint8_t *data, size_t size) except -1
