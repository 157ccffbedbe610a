# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""Deltas applied: the instructions that make a content of another one, and which parts of it they copy.

Format: gitformat-pack(5), "Deltified representation". Whatever does not fit raises `ValueError`.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy


cdef class Copies:
    """Which parts of a content were copied from its base, so which were not.

    `before` is what a reader noted of the base, `notes` what it notes of the content, for what is made of that.
    """

    def __cinit__(self, before=None):
        self.before = before

    def __dealloc__(self):
        free(self.parts)

    cdef int take(self, const Copied *copied, size_t first, size_t base_size, size_t size) except -1:
        cdef size_t count = copied.count - first
        cdef Copy *room = <Copy *>malloc((count + 1) * sizeof(Copy))
        if room is NULL:
            raise MemoryError
        if count:
            memcpy(room, copied.items + first, count * sizeof(Copy))
        free(self.parts)
        self.parts = room
        self.count, self.base_size, self.size = count, base_size, size
        return 0

    def copies(self):
        """Return the copied parts: where they stand, where they stood, how long they are."""
        return [(self.parts[i].at, self.parts[i].source, self.parts[i].size) for i in range(self.count)]


cdef bytes patch(const uint8_t *data, size_t size, bytes base, size_t limit, Copied *copied):
    """Return what a delta makes of a base, no more than `limit` bytes; `copied` gets the parts that the base has."""
    cdef const uint8_t *source = <const uint8_t *>PyBytes_AS_STRING(base)
    cdef size_t source_size = <size_t>PyBytes_GET_SIZE(base)
    cdef size_t at = 0, copies = copied.count, offset, length, left, made
    cdef uint64_t result_size
    cdef Copy *last
    cdef uint8_t op
    cdef uint8_t *out
    if read_size(data, size, &at) != source_size:
        raise ValueError("a delta of another base")
    result_size = read_size(data, size, &at)
    if result_size > limit:
        raise ValueError("a large object")
    result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>result_size)
    out = <uint8_t *>PyBytes_AS_STRING(result)
    left, made = result_size, 0
    while at < size:
        op = data[at]
        at += 1
        if op & 0x80:
            if _wanted(op) > size - at:
                raise ValueError("a delta that ends too early")
            offset = length = 0
            if op & 0x01:
                offset = data[at]
                at += 1
            if op & 0x02:
                offset |= <size_t>data[at] << 8
                at += 1
            if op & 0x04:
                offset |= <size_t>data[at] << 16
                at += 1
            if op & 0x08:
                offset |= <size_t>data[at] << 24
                at += 1
            if op & 0x10:
                length = data[at]
                at += 1
            if op & 0x20:
                length |= <size_t>data[at] << 8
                at += 1
            if op & 0x40:
                length |= <size_t>data[at] << 16
                at += 1
            if length == 0:
                length = 0x10000
            if length > left or offset > source_size or length > source_size - offset:
                raise ValueError("a delta that copies what is not there")
            memcpy(out + made, source + offset, length)
            last = &copied.items[copies - 1] if copies > copied.count else NULL
            if last is not NULL and last.at + last.size == made and last.source + last.size == offset:
                last.size += <uint32_t>length
            else:
                _make_room(copied, copies)
                last = &copied.items[copies]
                last.at, last.source, last.size = <uint32_t>made, <uint32_t>offset, <uint32_t>length
                copies += 1
        elif op:
            length = op
            if length > left or length > size - at:
                raise ValueError("a delta that inserts too much")
            memcpy(out + made, data + at, length)
            at += length
        else:
            raise ValueError("a delta instruction that nobody knows")
        made += length
        left -= length
    if left:
        raise ValueError("a delta that makes too little")
    copied.count = copies
    return result


cdef inline size_t _wanted(uint8_t op) noexcept nogil:
    """Return how many bytes belong to a copy instruction: one for each of the lower bits."""
    cdef size_t count = 0
    op &= 0x7f
    while op:
        op &= op - 1
        count += 1
    return count


cdef int _make_room(Copied *copied, size_t copies) except -1:
    cdef Copy *room
    if copies >= copied.room:
        room = <Copy *>realloc(copied.items, (2 * copies + 64) * sizeof(Copy))
        if room is NULL:
            raise MemoryError
        copied.items, copied.room = room, 2 * copies + 64
    return 0


cdef uint64_t read_size(const uint8_t *data, size_t size, size_t *at) except? 0xffffffffffffffff:
    """Read a size at the head of a delta: seven bits a byte, the lowest first."""
    cdef uint64_t value = 0
    cdef unsigned int shift = 0
    while True:
        if at[0] >= size or shift > 49:
            raise ValueError("a delta without sizes")
        value |= <uint64_t>(data[at[0]] & 0x7f) << shift
        shift += 7
        at[0] += 1
        if not data[at[0] - 1] & 0x80:
            return value
