# SPDX-License-Identifier: Apache-2.0
# Numbers and text that grow: as Python's arrays, where others are to see them, and as plain memory.

from cpython.array cimport array, resize_smart
from cpython.object cimport Py_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

# Things are counted with 32 bits, and the highest number stands for none.
cdef extern from *:
    """
    #define MOST ((size_t) 0xfffffff0)
    """
    size_t MOST


cdef struct Text:
    uint8_t *data
    size_t size
    size_t room


cdef struct Numbers:
    uint32_t *items
    size_t count
    size_t room


cdef inline int push(array items, uint32_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    if <size_t>count >= MOST:
        raise MemoryError
    resize_smart(items, count + 1)
    items.data.as_uints[count] = value
    return 0


cdef inline int push_byte(array items, uint8_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    resize_smart(items, count + 1)
    items.data.as_uchars[count] = value
    return 0


cdef inline int push_long(array items, uint64_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    resize_smart(items, count + 1)
    items.data.as_ulonglongs[count] = value
    return 0


cdef inline int write(Text *text, const uint8_t *data, size_t size) except -1:
    """Add bytes to a text; without `data` there is only room made for them."""
    cdef uint8_t *room
    if text.room - text.size < size:
        room = <uint8_t *>realloc(text.data, text.size + text.size // 2 + size + 256)
        if room is NULL:
            raise MemoryError
        text.data, text.room = room, text.size + text.size // 2 + size + 256
    if data is not NULL:
        memcpy(text.data + text.size, data, size)
        text.size += size
    return 0


cdef inline int add_number(Numbers *numbers, uint32_t value) except -1:
    return add_numbers(numbers, &value, 1)


cdef inline int add_numbers(Numbers *numbers, const uint32_t *values, size_t count) except -1:
    cdef uint32_t *room
    if numbers.room - numbers.count < count:
        room = <uint32_t *>realloc(numbers.items, (2 * numbers.count + count + 64) * sizeof(uint32_t))
        if room is NULL:
            raise MemoryError
        numbers.items, numbers.room = room, 2 * numbers.count + count + 64
    memcpy(numbers.items + numbers.count, values, count * sizeof(uint32_t))
    numbers.count += count
    return 0
