# SPDX-License-Identifier: Apache-2.0
# The numbers of things by what they are: a hash table with open addressing that keeps hashes only.
#
# Whoever makes a repository chooses its names and, as nobody computes them again, its ids. So the hash is SipHash-1-3
# with a key that is drawn anew each time: nobody can choose things that fall together.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy


cdef struct Key:
    uint64_t low
    uint64_t high


# 96 bits of a thing's hash are taken for the thing: among ten million of them two have the same once in 10^15 times.
cdef struct Digest:
    uint64_t much
    uint32_t more


cdef struct Slot:
    uint64_t much
    uint32_t more
    uint32_t number   # and one; 0 where nothing is


cdef struct Table:
    Slot *slots
    size_t size       # a power of two, or 0
    size_t used


cdef inline uint64_t _turn(uint64_t value, int bits) noexcept nogil:
    return (value << bits) | (value >> (64 - bits))


cdef inline void _round(uint64_t *v) noexcept nogil:
    v[0] += v[1]
    v[1] = _turn(v[1], 13) ^ v[0]
    v[0] = _turn(v[0], 32)
    v[2] += v[3]
    v[3] = _turn(v[3], 16) ^ v[2]
    v[0] += v[3]
    v[3] = _turn(v[3], 21) ^ v[0]
    v[2] += v[1]
    v[1] = _turn(v[1], 17) ^ v[2]
    v[2] = _turn(v[2], 32)


cdef inline Digest digest(const Key *key, const uint8_t *data, size_t size) noexcept nogil:
    cdef uint64_t v[4]
    cdef uint64_t word
    cdef size_t at = 0
    cdef Digest made
    v[0] = key.low ^ <uint64_t>0x736f6d6570736575
    v[1] = key.high ^ <uint64_t>0x646f72616e646f6d
    v[2] = key.low ^ <uint64_t>0x6c7967656e657261
    v[3] = key.high ^ <uint64_t>0x7465646279746573
    while size - at >= 8:
        memcpy(&word, data + at, 8)
        v[3] ^= word
        _round(v)
        v[0] ^= word
        at += 8
    word = 0
    memcpy(&word, data + at, size - at)
    word ^= <uint64_t>size << 56
    v[3] ^= word
    _round(v)
    v[0] ^= word
    v[2] ^= 0xff
    _round(v)
    _round(v)
    _round(v)
    made.much = v[0] ^ v[1] ^ v[2] ^ v[3]
    made.more = <uint32_t>((v[0] + v[3]) >> 32)
    return made


cdef inline int64_t find(const Table *table, const Digest *what) noexcept nogil:
    """Return the number of a thing, or -1."""
    cdef size_t at = <size_t>what.much
    cdef const Slot *slot
    if table.size == 0:
        return -1
    while True:
        slot = &table.slots[at & (table.size - 1)]
        if slot.number == 0:
            return -1
        if slot.much == what.much and slot.more == what.more:
            return <int64_t>slot.number - 1
        at += 1


cdef inline void _set(Table *table, const Slot *slot) noexcept nogil:
    cdef size_t at = <size_t>slot.much
    while table.slots[at & (table.size - 1)].number:
        at += 1
    table.slots[at & (table.size - 1)] = slot[0]


cdef inline int reserve(Table *table, size_t count) except -1:
    """Make room for so many more."""
    cdef Slot *before = table.slots
    cdef Slot *room
    cdef size_t size = table.size, wanted = size if size else 64, i
    while table.used + count > wanted - wanted // 4:
        wanted *= 2
    if wanted == size:
        return 0
    room = <Slot *>calloc(wanted, sizeof(Slot))
    if room is NULL:
        raise MemoryError
    table.slots, table.size = room, wanted
    for i in range(size):
        if before[i].number:
            _set(table, &before[i])
    free(before)
    return 0


cdef inline int put(Table *table, const Digest *what, uint32_t number) except -1:
    """Give a thing its number; it must have none yet."""
    cdef Slot slot
    reserve(table, 1)
    slot.much, slot.more, slot.number = what.much, what.more, number + 1
    _set(table, &slot)
    table.used += 1
    return 0
