# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""The ids of objects, each with a number.

Those of packs stand in these; only those that are named elsewhere, such as submodules' commits, are kept here. They are
found by a keyed hash, as whoever makes a repository can choose ids: nobody computes them again.
"""

import os
from array import array as make_array

from cpython.array cimport resize_smart
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport Py_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memset

from scanner.git.kernel.growing cimport MOST, push, push_byte, write
from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.table cimport digest

cdef enum:
    KNOWN = 1   # as in `scanner/git/facts.py`

cdef uint32_t NONE = 0xffffffff


cdef class Ids:
    """The numbers of objects, and of each one its `flags` and its place among trees or commits (see `Facts`)."""

    def __cinit__(self, size_t id_bytes):
        if id_bytes != 20 and id_bytes != 32:
            raise ValueError("ids of an unknown length")
        self.id_bytes = id_bytes
        self._key.low = int.from_bytes(os.urandom(8), "little")
        self._key.high = int.from_bytes(os.urandom(8), "little")
        self._packs = []
        self.flags, self.places = make_array("B"), make_array("I")

    def __dealloc__(self):
        free(self._slots)
        free(self._blocks)
        free(self._firsts)
        free(self._own.data)

    def add_pack(self, Pack pack not None):
        """Take in the ids of a pack, which are known then. Packs come before everything else."""
        cdef size_t i, first = <size_t>Py_SIZE(self.flags), count = self._block_count
        cdef const uint8_t **blocks
        cdef size_t *firsts
        cdef uint32_t *slot
        if first != self._own_first or pack._id_bytes != self.id_bytes or first + pack.count >= MOST:
            raise ValueError("a pack that comes too late, or of another kind")
        blocks = <const uint8_t **>realloc(self._blocks, (count + 1) * sizeof(uint8_t *))
        if blocks is NULL:
            raise MemoryError
        self._blocks = blocks
        firsts = <size_t *>realloc(self._firsts, (count + 1) * sizeof(size_t))
        if firsts is NULL:
            raise MemoryError
        self._firsts = firsts
        self._blocks[count], self._firsts[count] = pack._ids, first
        self._packs.append(pack)
        self._block_count += 1
        self._own_first += pack.count
        resize_smart(self.flags, <Py_ssize_t>self._own_first)
        resize_smart(self.places, <Py_ssize_t>self._own_first)
        memset(self.flags.data.as_uchars + first, 0, pack.count)
        memset(self.places.data.as_uints + first, 0xff, pack.count * sizeof(uint32_t))
        self._make_slots(pack.count)
        for i in range(pack.count):
            # What another pack has as well keeps the number that it has; the one here stands for nothing.
            slot = self._slot(pack._ids + i * self.id_bytes)
            if slot[0] == 0:
                slot[0] = <uint32_t>(first + i) + 1
                self._slots_used += 1
                self.flags.data.as_uchars[first + i] = KNOWN

    cdef const uint8_t *_id(self, size_t number) noexcept:
        cdef size_t block = self._block_count
        if number >= self._own_first:
            return self._own.data + (number - self._own_first) * self.id_bytes
        while self._firsts[block - 1] > number:
            block -= 1
        return self._blocks[block - 1] + (number - self._firsts[block - 1]) * self.id_bytes

    cdef int64_t find_id(self, const uint8_t *name) noexcept:
        """Return an id's number, or -1."""
        return -1 if self._slots_used == 0 else <int64_t>self._slot(name)[0] - 1

    cdef uint32_t *_slot(self, const uint8_t *name) noexcept:
        """Return the slot of an id: its number and one, or 0, where it would have to be noted."""
        cdef size_t at = <size_t>digest(&self._key, name, self.id_bytes).much
        cdef uint32_t *slot
        while True:
            slot = &self._slots[at & (self._slot_count - 1)]
            if slot[0] == 0 or memcmp(self._id(slot[0] - 1), name, self.id_bytes) == 0:
                return slot
            at += 1

    cdef int _make_slots(self, size_t more) except -1:
        """Make room for so many more ids."""
        cdef size_t i, wanted = self._slot_count if self._slot_count else 64, before = self._slot_count
        cdef uint32_t *old = self._slots
        while self._slots_used + more > wanted - wanted // 4:
            wanted *= 2
        if wanted == before:
            return 0
        self._slots = <uint32_t *>calloc(wanted, sizeof(uint32_t))
        if self._slots is NULL:
            self._slots = old
            raise MemoryError
        self._slot_count = wanted
        for i in range(before):
            if old[i]:
                self._slot(self._id(old[i] - 1))[0] = old[i]
        free(old)
        return 0

    cdef uint32_t number_in(self, Pack pack, size_t name) except? 0xffffffff:
        """Return the number of a pack's id, given its number in the pack's index."""
        cdef size_t block
        for block in range(self._block_count):
            if self._blocks[block] == pack._ids:
                if self.flags.data.as_uchars[self._firsts[block] + name]:
                    return <uint32_t>(self._firsts[block] + name)
                break
        return self.number_id(pack._ids + name * self.id_bytes)

    cdef uint32_t number_id(self, const uint8_t *name) except? 0xffffffff:
        """Return an id's number, which it is given now if it had none."""
        cdef uint32_t *slot
        self._make_slots(1)
        slot = self._slot(name)
        if slot[0]:
            return slot[0] - 1
        number = Py_SIZE(self.flags)
        if <size_t>number >= MOST:
            raise MemoryError
        write(&self._own, name, self.id_bytes)
        push_byte(self.flags, 0)
        push(self.places, NONE)
        slot[0] = <uint32_t>number + 1
        self._slots_used += 1
        return <uint32_t>number

    def number(self, bytes name not None):
        """Return the number of an id, which it is given now if it had none."""
        if <size_t>PyBytes_GET_SIZE(name) != self.id_bytes:
            raise ValueError("an id of another length")
        return self.number_id(<const uint8_t *>PyBytes_AS_STRING(name))

    def find(self, bytes name not None):
        """Return the number of an id, -1 where it has none."""
        if <size_t>PyBytes_GET_SIZE(name) != self.id_bytes:
            return -1
        return self.find_id(<const uint8_t *>PyBytes_AS_STRING(name))

    def id(self, size_t number):
        """Return the id with this number."""
        if number >= <size_t>Py_SIZE(self.flags):
            raise IndexError(number)
        return (<const char *>self._id(number))[:self.id_bytes]

    def __contains__(self, bytes name not None):
        cdef int64_t number = self.find(name)
        return number >= 0 and self.flags.data.as_uchars[number] & KNOWN != 0

    def add(self, bytes name not None):
        """Say that there is an object with this id."""
        cdef uint32_t number = self.number(name)
        self.flags.data.as_uchars[number] |= KNOWN
