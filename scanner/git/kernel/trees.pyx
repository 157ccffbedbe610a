# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""All trees of a pack, read one after the other: bases before what is made of them.

A tree that is stored as a delta is never written out. Its delta copies bytes of the base; where these are whole entries,
as they nearly always are, their numbers are copied instead. Only an entry that is put together of several pieces is
made of its bytes.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memmove, memset

from scanner.git.kernel.entry cimport Entry
from scanner.git.kernel.facts cimport Facts
from scanner.git.kernel.growing cimport Numbers, Text, add_number, add_numbers, write
from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.patch cimport read_size

cdef enum:
    TREE = 2
    SIGNALS_EVERY = 1024
    # An entry with a longer name is for git to read: no file system has such names.
    MOST_ENTRY = 65536


cdef class _Version:
    """A tree that others are made of: its entries' numbers, and where they begin, with the end of the last one.

    `tree` is its number, -1 where another copy of it was kept.
    """

    cdef int32_t number
    cdef int64_t tree
    cdef Numbers entries, starts

    def __dealloc__(self):
        free(self.entries.items)
        free(self.starts.items)


cdef class _Trees:
    """One pass over a pack."""

    cdef Pack _pack
    cdef Facts _facts
    cdef list _path, _failed
    cdef Text _data, _pieces, _whole, _kept
    cdef Numbers _added, _gone
    cdef size_t _at, _seen    # in the tree that is being made; how far there is no NUL in the pieces

    def __cinit__(self, Pack pack not None, Facts facts not None, list failed):
        self._pack, self._facts, self._failed, self._path = pack, facts, failed, []

    def __dealloc__(self):
        free(self._data.data)
        free(self._pieces.data)
        free(self._whole.data)
        free(self._kept.data)
        free(self._added.items)
        free(self._gone.items)

    cdef int read(self, const int32_t[::1] order) except -1:
        cdef size_t i
        for i in range(<size_t>order.shape[0]):
            if i % SIGNALS_EVERY == 0:
                PyErr_CheckSignals()
            try:
                self._take(order[i])
            except (ValueError, MemoryError):
                # The tree is large or damaged, or its base is: git knows, or knows another copy.
                self._failed.append(self._pack.name(<size_t>order[i]))
        return 0

    cdef int _take(self, int32_t number) except -1:
        cdef Entry *entry = &self._pack._entries[number]
        cdef _Version base = None
        cdef _Version made = None
        cdef int64_t tree
        if entry.base >= 0:
            # Whatever else was held has gone with the last of its children, so the base is the last one that is held.
            if self._path:
                base = <_Version>self._path[len(self._path) - 1]
            if base is None or base.number != entry.base:
                raise ValueError("a tree made of one that cannot be read")
            if entry.last:
                self._path.pop()
        if entry.size > self._pack._limit:
            raise ValueError("a large tree, or a large delta")
        self._data.size = self._pieces.size = self._at = self._seen = 0
        self._added.count = self._gone.count = 0
        write(&self._data, NULL, entry.size)
        self._pack._inflate(<size_t>number, self._data.data, entry.size)
        if entry.parent:
            made = _Version.__new__(_Version)
            made.number = number
        if base is None:
            self._insert(self._data.data, entry.size, made)
        else:
            self._apply(entry.size, base, made)
        if self._pieces.size:
            raise ValueError("a tree that ends within an entry")
        if base is not None and base.tree < 0:
            self._add_kept(base)
        tree = self._facts.record(self._facts.number_in(self._pack, entry.name), -1 if base is None else base.tree,
                                  &self._gone, &self._added)
        if made is not None:
            add_number(&made.starts, <uint32_t>self._at)
            made.tree = tree
            self._path.append(made)
        return 0

    cdef int _insert(self, const uint8_t *data, size_t size, _Version made) except -1:
        """Go on with bytes that do not come from the base, or are no whole entries there."""
        cdef size_t at = 0, seen
        cdef int64_t number
        if self._pieces.size:
            write(&self._pieces, data, size)
            self._finish(made)
            return 0
        while at < size:
            seen = 0
            number = self._facts.take(data + at, size - at, &seen)
            if number < 0:
                write(&self._pieces, data + at, size - at)
                self._seen = seen
                break
            self._add(<uint32_t>number, seen, made)
            at += seen + 1 + self._facts.id_bytes
        return 0

    cdef int _finish(self, _Version made) except -1:
        """Take in the entries that the pieces have become."""
        cdef size_t at = 0
        cdef int64_t number
        while at < self._pieces.size:
            number = self._facts.take(self._pieces.data + at, self._pieces.size - at, &self._seen)
            if number < 0:
                break
            self._add(<uint32_t>number, self._seen, made)
            at += self._seen + 1 + self._facts.id_bytes
            self._seen = 0
        if at:
            memmove(self._pieces.data, self._pieces.data + at, self._pieces.size - at)
            self._pieces.size -= at
        if self._pieces.size > MOST_ENTRY:
            raise ValueError("a name that goes on and on")
        return 0

    cdef int _add(self, uint32_t number, size_t size, _Version made) except -1:
        """Go on with an entry that the base has not."""
        add_number(&self._added, number)
        if made is not None:
            add_number(&made.entries, number)
            add_number(&made.starts, <uint32_t>self._at)
        self._at += size + 1 + self._facts.id_bytes
        return 0

    cdef int _apply(self, size_t size, _Version base, _Version made) except -1:
        """Make a tree of its base by the delta that was read; see `patch`."""
        cdef const uint8_t *data = self._data.data
        cdef size_t at = 0, offset, length, left, i
        cdef size_t base_size = base.starts.items[base.entries.count]
        cdef uint8_t op, bit
        if read_size(data, size, &at) != base_size:
            raise ValueError("a delta of another base")
        left = read_size(data, size, &at)
        if left > self._pack._limit:
            raise ValueError("a large tree")
        self._kept.size = 0
        write(&self._kept, NULL, base.entries.count)
        memset(self._kept.data, 0, base.entries.count)
        while at < size:
            op = data[at]
            at += 1
            if op == 0:
                raise ValueError("a delta instruction that nobody knows")
            if op & 0x80:
                offset = length = 0
                for bit in range(7):
                    if op & (1 << bit):
                        if at >= size:
                            raise ValueError("a delta that ends too early")
                        if bit < 4:
                            offset |= <size_t>data[at] << (8 * bit)
                        else:
                            length |= <size_t>data[at] << (8 * (bit - 4))
                        at += 1
                if length == 0:
                    length = 0x10000
                if length > left or offset > base_size or length > base_size - offset:
                    raise ValueError("a delta that copies what is not there")
                self._copy(base, offset, offset + length, made)
            else:
                length = op
                if length > left or length > size - at:
                    raise ValueError("a delta that inserts too much")
                self._insert(data + at, length, made)
                at += length
            left -= length
        if left:
            raise ValueError("a delta that makes too little")
        for i in range(base.entries.count):
            if self._kept.data[i] == 0:
                add_number(&self._gone, base.entries.items[i])
        return 0

    cdef int _copy(self, _Version base, size_t start, size_t stop, _Version made) except -1:
        """Go on with a part of the base."""
        cdef const uint32_t *starts = base.starts.items
        cdef size_t first, end, i
        while start < stop:
            first = _lower(&base.starts, start)
            if self._pieces.size == 0 and starts[first] == start and starts[first + 1] <= stop:
                end = _lower(&base.starts, stop + 1) - 1
                if memchr(self._kept.data + first, 1, end - first) is not NULL:
                    for i in range(first, end):
                        if self._kept.data[i]:
                            add_number(&self._added, base.entries.items[i])
                memset(self._kept.data + first, 1, end - first)
                if made is not None:
                    add_numbers(&made.entries, base.entries.items + first, end - first)
                    add_numbers(&made.starts, starts + first, end - first)
                    for i in range(made.starts.count - (end - first), made.starts.count):
                        made.starts.items[i] += <uint32_t>(self._at - start)
                self._at += starts[end] - start
                start = starts[end]
                continue
            if starts[first] != start:
                first -= 1
            end = starts[first + 1] if starts[first + 1] < stop else stop
            self._whole.size = 0
            self._facts.write_entry(base.entries.items[first], &self._whole)
            write(&self._pieces, self._whole.data + (start - starts[first]), end - start)
            self._finish(made)
            start = end
        return 0

    cdef int _add_kept(self, _Version base) except -1:
        """Let the tree stand by itself: the copy of its base that was kept may be another one."""
        cdef size_t i
        self._gone.count = 0
        for i in range(base.entries.count):
            if self._kept.data[i]:
                add_number(&self._added, base.entries.items[i])
        return 0


cdef size_t _lower(const Numbers *starts, size_t least) noexcept:
    """Return the place of the first number that is no less; the numbers ascend."""
    cdef size_t low = 0, high = starts.count, middle
    while low < high:
        middle = (low + high) >> 1
        if starts.items[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


def read_trees(Pack pack not None, Facts facts not None, list failed not None):
    """Take in all trees of a pack; those that cannot be read are `failed`."""
    if facts.id_bytes != pack._id_bytes:
        raise ValueError("ids of another length")
    _Trees(pack, facts, failed).read(pack.walk(TREE))
