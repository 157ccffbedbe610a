# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""What trees and commits say, as numbers; `scanner/git/facts.py` says what they mean, and does the same by itself.

Each id, each name and each distinct entry of a tree has a number. A tree is kept as what it is made of: another tree,
entries that are gone, entries that are added. Whatever is read comes from whoever made the repository.
"""

import os
from array import array as make_array

from cpython.array cimport array, resize, resize_smart
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport Py_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.table cimport Digest, Table, digest, find, put

cdef enum:
    # Flags of objects, and kinds of entries, as in `scanner/git/facts.py`.
    KNOWN = 1
    IS_TREE = 2
    IS_COMMIT = 4
    OTHER_ENTRY = 0
    TREE_ENTRY = 1
    SUBMODULE_ENTRY = 2

cdef uint32_t NONE = 0xffffffff
cdef size_t _MOST = 0xfffffff0
cdef size_t _MOST_DIGITS = 16
cdef size_t _MANY = 64


cdef inline int _push(array items, uint32_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    if <size_t>count >= _MOST:
        raise MemoryError
    resize_smart(items, count + 1)
    items.data.as_uints[count] = value
    return 0


cdef inline int _push_byte(array items, uint8_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    resize_smart(items, count + 1)
    items.data.as_uchars[count] = value
    return 0


cdef inline int _push_long(array items, uint64_t value) except -1:
    cdef Py_ssize_t count = Py_SIZE(items)
    resize_smart(items, count + 1)
    items.data.as_ulonglongs[count] = value
    return 0


cdef int write(Text *text, const uint8_t *data, size_t size) except -1:
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


cdef int add_number(Numbers *numbers, uint32_t value) except -1:
    return add_numbers(numbers, &value, 1)


cdef int add_numbers(Numbers *numbers, const uint32_t *values, size_t count) except -1:
    cdef uint32_t *room
    if numbers.room - numbers.count < count:
        room = <uint32_t *>realloc(numbers.items, (2 * numbers.count + count + 64) * sizeof(uint32_t))
        if room is NULL:
            raise MemoryError
        numbers.items, numbers.room = room, 2 * numbers.count + count + 64
    memcpy(numbers.items + numbers.count, values, count * sizeof(uint32_t))
    numbers.count += count
    return 0


cdef void _sort(uint32_t *items, size_t count) noexcept:
    """Sort numbers, of which there are few as a rule, and most of them in order."""
    cdef size_t i, at
    cdef uint32_t item
    if count > _MANY:
        qsort(items, count, sizeof(uint32_t), _ascending)
        return
    for i in range(1, count):
        item, at = items[i], i
        while at and items[at - 1] > item:
            items[at] = items[at - 1]
            at -= 1
        items[at] = item


cdef int _ascending(const void *a, const void *b) noexcept nogil:
    cdef uint32_t one = (<const uint32_t *>a)[0]
    cdef uint32_t other = (<const uint32_t *>b)[0]
    return -1 if one < other else 1 if one > other else 0


cdef class Facts:
    """See `scanner.git.facts.Facts`."""

    def __cinit__(self, size_t id_bytes):
        if id_bytes != 20 and id_bytes != 32:
            raise ValueError("ids of an unknown length")
        self.id_bytes = id_bytes
        self._key.low = int.from_bytes(os.urandom(8), "little")
        self._key.high = int.from_bytes(os.urandom(8), "little")
        self._packs = []
        self.flags, self.kinds = make_array("B"), make_array("B")
        self.times, self._line_ends = make_array("Q"), make_array("Q")
        self.places, self.trees, self.bases = make_array("I"), make_array("I"), make_array("I")
        self.bounds, self.changes = make_array("I", [0]), make_array("I")
        self.children, self.labels, self._label_ends = make_array("I"), make_array("I"), make_array("I")
        self.commits, self.roots, self.parents = make_array("I"), make_array("I"), make_array("I")
        self.parent_bounds = make_array("I", [0])

    def __dealloc__(self):
        free(self._slots)
        free(self._entries.slots)
        free(self._labels.slots)
        free(self._blocks)
        free(self._firsts)
        free(self._own.data)
        free(self._label_text.data)
        free(self._line_text.data)
        free(self._numbers.items)

    # Ids

    def add_pack(self, Pack pack not None):
        """Take in the ids of a pack, which are known then. Packs come before everything else."""
        cdef size_t i, first = <size_t>Py_SIZE(self.flags), count = self._block_count
        cdef const uint8_t **blocks
        cdef size_t *firsts
        cdef uint32_t *slot
        if first != self._own_first or pack._id_bytes != self.id_bytes or first + pack.count >= _MOST:
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
        if <size_t>number >= _MOST:
            raise MemoryError
        write(&self._own, name, self.id_bytes)
        _push_byte(self.flags, 0)
        _push(self.places, NONE)
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

    # Entries of trees

    cdef uint32_t _label(self, const uint8_t *text, size_t size) except? 0xffffffff:
        """Return the number of an entry's mode and name, which it is given now if it had none."""
        cdef Digest what = digest(&self._key, text, size)
        cdef int64_t number = find(&self._labels, &what)
        if number >= 0:
            return <uint32_t>number
        if self._label_text.size + size >= _MOST:
            raise MemoryError
        number = Py_SIZE(self._label_ends)
        write(&self._label_text, text, size)
        _push(self._label_ends, <uint32_t>self._label_text.size)
        put(&self._labels, &what, <uint32_t>number)
        return <uint32_t>number

    def label(self, size_t number):
        """Return the mode and the name that have this number, with a space in between."""
        if number >= <size_t>Py_SIZE(self._label_ends):
            raise IndexError(number)
        cdef size_t start = self._label_ends.data.as_uints[number - 1] if number else 0
        return (<const char *>self._label_text.data)[start:self._label_ends.data.as_uints[number]]

    cdef uint32_t _entry(self, const uint8_t *text, size_t size, uint8_t kind) except? 0xffffffff:
        """Return the number of an entry, given what stands before its NUL."""
        cdef Digest what = digest(&self._key, text, size + 1 + self.id_bytes)
        cdef int64_t number = find(&self._entries, &what)
        cdef uint32_t child, label
        if number >= 0:
            return <uint32_t>number
        child, label = self.number_id(text + size + 1), self._label(text, size)
        number = Py_SIZE(self.children)
        _push(self.children, child)
        _push(self.labels, label)
        _push_byte(self.kinds, kind)
        put(&self._entries, &what, <uint32_t>number)
        return <uint32_t>number

    cdef int64_t take(self, const uint8_t *text, size_t size, size_t *seen) except -2:
        """Take in the entry at the head of a text; return its number, or -1 where it is not complete.

        So far no NUL was `seen`. Raises `ValueError` where there can never be an entry.
        """
        cdef size_t at = 0
        cdef uint32_t mode = 0
        cdef const uint8_t *end
        while at < size and 48 <= text[at] <= 55 and at < _MOST_DIGITS:
            mode = (mode << 3) | (text[at] & 7)
            at += 1
        if at == size:
            return -1
        if at == 0 or text[at] != 32:
            raise ValueError("an entry without a mode")
        if seen[0] < at:
            seen[0] = at
        end = <const uint8_t *>memchr(text + seen[0], 0, size - seen[0])
        if end is NULL:
            seen[0] = size
            return -1
        seen[0] = <size_t>(end - text)
        if size - seen[0] <= self.id_bytes:
            return -1
        mode &= 0o170000
        return self._entry(text, seen[0], TREE_ENTRY if mode == 0o040000 else
                           SUBMODULE_ENTRY if mode == 0o160000 else OTHER_ENTRY)

    cdef size_t write_entry(self, size_t number, Text *out) except 0:
        """Add the bytes of an entry to a text; return how many they are."""
        cdef size_t label = self.labels.data.as_uints[number]
        cdef size_t start = self._label_ends.data.as_uints[label - 1] if label else 0
        cdef size_t size = self._label_ends.data.as_uints[label] - start
        write(out, self._label_text.data + start, size)
        write(out, <const uint8_t *>b"\0", 1)
        write(out, self._id(self.children.data.as_uints[number]), self.id_bytes)
        return size + 1 + self.id_bytes

    # Trees

    cdef int64_t record(self, size_t number, int64_t base, Numbers *gone, const Numbers *added) except -2:
        """Keep a tree, made of another one or of none; return its number, or -1 where it has one already."""
        cdef size_t i, tree = <size_t>Py_SIZE(self.trees)
        if self.flags.data.as_uchars[number] & (IS_TREE | IS_COMMIT):
            return -1
        # In order, so that whoever asks whether an entry is gone need not look at all.
        _sort(gone.items, gone.count)
        for i in range(gone.count):
            _push(self.changes, gone.items[i])
        _push(self.bounds, <uint32_t>Py_SIZE(self.changes))
        for i in range(added.count):
            _push(self.changes, added.items[i])
        _push(self.bounds, <uint32_t>Py_SIZE(self.changes))
        _push(self.trees, <uint32_t>number)
        _push(self.bases, <uint32_t>base if base >= 0 else NONE)
        self.flags.data.as_uchars[number] |= IS_TREE
        self.places.data.as_uints[number] = <uint32_t>tree
        return <int64_t>tree

    def add_tree(self, bytes name not None, bytes data not None):
        """Take in a tree; False where it is malformed."""
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data), at = 0, seen
        cdef int64_t number
        cdef Numbers none
        none.count = self._numbers.count = 0
        none.items = NULL
        while at < size:
            seen = 0
            try:
                number = self.take(text + at, size - at, &seen)
            except ValueError:
                number = -1
            if number < 0:
                break
            add_number(&self._numbers, <uint32_t>number)
            at += seen + 1 + self.id_bytes
        self.record(self.number(name), -1, &none, &self._numbers)
        return at == size

    def settle(self):
        """Let go of what is needed to take in many trees."""
        free(self._entries.slots)
        free(self._labels.slots)
        memset(&self._entries, 0, sizeof(Table))
        memset(&self._labels, 0, sizeof(Table))
        for items in (self.flags, self.kinds, self.places, self.trees, self.bases, self.bounds, self.changes,
                      self.children, self.labels):
            resize(items, Py_SIZE(items))

    # Commits

    cdef bint take_commit(self, size_t number, const uint8_t *data, size_t size) except -1:
        """Take in a commit that is written as git writes them; False for any other, of which nothing is taken in."""
        cdef const uint8_t *at = data
        cdef const uint8_t *end = data + size
        cdef const uint8_t *line
        cdef const uint8_t *stop
        cdef size_t hexed = 2 * self.id_bytes
        cdef uint8_t name[32]
        cdef uint32_t root
        cdef uint64_t seconds
        if self.flags.data.as_uchars[number] & (IS_TREE | IS_COMMIT):
            return True
        # Nothing is kept before all is understood.
        self._numbers.count = 0
        if <size_t>(end - at) < hexed + 6 or memcmp(at, b"tree ", 5) or at[hexed + 5] != 10 or (
                not _unhex(at + 5, name, self.id_bytes)):
            return False
        root = self.number_id(name)
        at += hexed + 6
        while <size_t>(end - at) >= hexed + 8 and memcmp(at, b"parent ", 7) == 0:
            if at[hexed + 7] != 10 or not _unhex(at + 7, name, self.id_bytes):
                return False
            add_number(&self._numbers, self.number_id(name))
            at += hexed + 8
        line = at
        if end - at < 7 or memcmp(at, b"author ", 7):
            return False
        at = _signature(at + 7, end, &seconds)
        if at is NULL or end - at < 10 or memcmp(at, b"committer ", 10):
            return False
        stop = at - 1
        at = _signature(at + 10, end, &seconds)
        if at is NULL or not _is_rest_of_header(at, end):
            return False
        self._keep(number, root, seconds, line, <size_t>(stop - line))
        return True

    cdef int _keep(self, size_t number, uint32_t root, uint64_t seconds, const uint8_t *line, size_t size) except -1:
        cdef size_t i
        write(&self._line_text, line, size)
        _push_long(self._line_ends, self._line_text.size)
        _push(self.roots, root)
        _push_long(self.times, seconds)
        for i in range(self._numbers.count):
            _push(self.parents, self._numbers.items[i])
        _push(self.parent_bounds, <uint32_t>Py_SIZE(self.parents))
        self.flags.data.as_uchars[number] |= IS_COMMIT
        self.places.data.as_uints[number] = <uint32_t>Py_SIZE(self.commits)
        _push(self.commits, <uint32_t>number)
        return 0

    def take_commits(self, list commits not None):
        """Take in those of the commits, pairs of id and content, that are as git writes them; return the others."""
        rest = []
        for pair in commits:
            name, data = <tuple?>pair
            if not self.take_commit(self.number(name), <const uint8_t *>PyBytes_AS_STRING(<bytes?>data),
                                    <size_t>PyBytes_GET_SIZE(data)):
                rest.append(pair)
        return rest

    def keep_commit(self, bytes name not None, bytes root, list parents not None, uint64_t seconds, bytes line not None):
        """Take in a commit that somebody else has parsed; `root` is None where it names none."""
        cdef size_t number = self.number(name)
        cdef uint32_t tree = NONE if root is None else self.number(root)
        cdef list numbers = [self.number(parent) for parent in parents]
        if self.flags.data.as_uchars[number] & (IS_TREE | IS_COMMIT):
            return
        self._numbers.count = 0
        for parent in numbers:
            add_number(&self._numbers, parent)
        self._keep(number, tree, seconds, <const uint8_t *>PyBytes_AS_STRING(line), <size_t>PyBytes_GET_SIZE(line))

    def line(self, size_t number):
        """Return the author's line of a commit."""
        if number >= <size_t>Py_SIZE(self._line_ends):
            raise IndexError(number)
        cdef size_t start = self._line_ends.data.as_ulonglongs[number - 1] if number else 0
        return (<const char *>self._line_text.data)[start:self._line_ends.data.as_ulonglongs[number]]


cdef bint _unhex(const uint8_t *text, uint8_t *out, size_t size) noexcept:
    """Turn hex digits, in lower case, into so many bytes; False where there are others."""
    cdef size_t i
    cdef uint8_t digit, value = 0
    for i in range(2 * size):
        digit = text[i]
        if 48 <= digit <= 57:
            digit -= 48
        elif 97 <= digit <= 102:
            digit -= 87
        else:
            return False
        if i & 1:
            out[i >> 1] = (value << 4) | digit
        value = digit
    return True


cdef const uint8_t *_signature(const uint8_t *at, const uint8_t *end, uint64_t *seconds) noexcept:
    """Return the next line if this one ends in a time and its zone, else NULL."""
    cdef const uint8_t *stop = <const uint8_t *>memchr(at, 10, <size_t>(end - at))
    cdef const uint8_t *digit
    cdef uint64_t value = 0, power = 1
    cdef int count = 0, i
    if stop is NULL or stop - at < 8:
        return NULL
    digit = stop - 6
    if digit[0] != 32 or (digit[1] != 43 and digit[1] != 45):
        return NULL
    for i in range(2, 6):
        if not 48 <= digit[i] <= 57:
            return NULL
    digit -= 1
    while digit >= at and 48 <= digit[0] <= 57 and count < 19:
        value += power * <uint64_t>(digit[0] - 48)
        power *= 10
        digit -= 1
        count += 1
    if count == 0 or digit < at or digit[0] != 32:
        return NULL
    seconds[0] = value
    return stop + 1


cdef bint _is_rest_of_header(const uint8_t *at, const uint8_t *end) noexcept:
    """Return whether there is an empty line, and no parent before it."""
    while at < end:
        if at[0] == 10:
            return True
        if end - at >= 7 and memcmp(at, b"parent ", 7) == 0:
            return False
        at = <const uint8_t *>memchr(at, 10, <size_t>(end - at))
        if at is NULL:
            return False
        at += 1
    return False
