# SPDX-License-Identifier: Apache-2.0

from cpython.array cimport array
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from scanner.git.kernel.growing cimport Numbers, Text
from scanner.git.kernel.ids cimport Ids
from scanner.git.kernel.table cimport Table


cdef class Facts(Ids):
    cdef readonly array trees, bases, bounds, changes
    cdef readonly array children, labels, kinds
    cdef readonly array commits, roots, times, parents, parent_bounds
    cdef Table _entries, _labels
    cdef Text _label_text, _line_text
    cdef array _label_ends, _line_ends
    cdef Numbers _numbers

    cdef uint32_t _label(self, const uint8_t *text, size_t size) except? 0xffffffff
    cdef uint32_t _entry(self, const uint8_t *text, size_t size, uint8_t kind) except? 0xffffffff
    cdef int64_t take(self, const uint8_t *text, size_t size, size_t *seen) except -2
    cdef size_t write_entry(self, size_t number, Text *out) except 0
    cdef int64_t record(self, size_t number, int64_t base, Numbers *gone, const Numbers *added) except -2
    cdef int _keep(self, size_t number, uint32_t root, uint64_t seconds, const uint8_t *line, size_t size) except -1
    cdef bint take_commit(self, size_t number, const uint8_t *data, size_t size) except -1
