# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""A pack: the headers of its entries, their ids, and the content of each.

Format: gitformat-pack(5). A pack is written by whoever made the repository, so every offset and length in it is
checked before it is used, by hand: the compiler does not. Whatever does not fit raises `ValueError`, and the caller
asks git.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp

from scanner.git.kernel.entry cimport LOST_BASE, NO_BASE, OFS_DELTA, REF_DELTA, Entry, number_at, place
from scanner.git.kernel.forest cimport tell_kinds, walk
from scanner.git.kernel.inflate cimport Inflater
from scanner.git.kernel.patch cimport Copied, Copies, patch

# A pack of more entries than this is git's to read; numbers of entries are 32 bits wide here.
cdef size_t _MOST_ENTRIES = 1 << 30
# A pack is mapped by blocks of 64 KiB, as Linux does around a page that is read, and no more than so many of them.
cdef unsigned int _BLOCK_BITS = 16
cdef size_t _MOST_MAPPED = 512


cdef class Pack:
    """A pack and its index, both as they are mapped; entries are numbered in the order of their offsets.

    `names` are the ids of the index, sorted, and `offsets` what it says of them, as native 64-bit numbers. `release` is
    called at times while the pack is read: what was read of the content counts as this process's memory until it is
    given back.
    """

    def __cinit__(self, const uint8_t[::1] content, const uint8_t[::1] names, const uint64_t[::1] offsets,
                  size_t id_bytes, size_t limit, release=None):
        cdef size_t count = <size_t>offsets.shape[0]
        cdef size_t i
        self._content, self._names, self._release = content, names, release
        self._limit = limit
        self._id_bytes = id_bytes
        if id_bytes != 20 and id_bytes != 32:
            raise ValueError("ids of an unknown length")
        if count == 0 or count > _MOST_ENTRIES or <size_t>names.shape[0] != count * id_bytes:
            raise ValueError("an index that does not fit")
        if <size_t>content.shape[0] < 12 + id_bytes:
            raise ValueError("a pack without an end")
        if limit > 0x7fffffff:
            raise ValueError("a limit that zlib cannot count")
        self._data = &content[0]
        self._end = <size_t>content.shape[0] - id_bytes
        self._ids = &names[0]
        self._entries = <Entry *>calloc(count, sizeof(Entry))
        self._numbers = <int32_t *>malloc(count * sizeof(int32_t))
        if self._entries is NULL or self._numbers is NULL:
            raise MemoryError
        place(self._entries, &offsets[0], count)
        self.count = count
        for i in range(count):
            if self._entries[i].offset < 12 or self._entries[i].offset >= self._end:
                raise ValueError("an offset outside of the pack")
            if i and self._entries[i].offset == self._entries[i - 1].offset:
                raise ValueError("two objects at one place")
            self._numbers[self._entries[i].name] = <int32_t>i
        self._inflater = Inflater()
        for i in range(count):
            self._touch(self._entries[i].offset, self._entries[i].offset)
            self._read_header(&self._entries[i])
        tell_kinds(self._entries, count)

    def __dealloc__(self):
        free(self._entries)
        free(self._numbers)
        free(self._scratch)
        free(self._copied.items)

    cdef void _read_header(self, Entry *entry) noexcept:
        """Take in an entry's header; kind 0 where there is none that makes sense."""
        cdef size_t at = entry.offset
        cdef uint64_t size, back
        cdef unsigned int shift = 4
        cdef uint8_t byte = self._data[at]
        cdef uint8_t kind = (byte >> 4) & 7
        cdef int64_t found
        at += 1
        size = byte & 15
        entry.base = NO_BASE
        entry.kind = 0
        while byte & 0x80:
            if at >= self._end or shift > 53:
                return
            byte = self._data[at]
            at += 1
            size |= <uint64_t>(byte & 0x7f) << shift
            shift += 7
        if kind == OFS_DELTA:
            if at >= self._end:
                return
            byte = self._data[at]
            at += 1
            back = byte & 0x7f
            while byte & 0x80:
                if at >= self._end or back >> 48:
                    return
                byte = self._data[at]
                at += 1
                back = ((back + 1) << 7) | (byte & 0x7f)
            if back == 0 or back >= entry.offset:
                return
            found = number_at(self._entries, entry.offset - back, <size_t>(entry - self._entries))
            entry.base = <int32_t>found if found >= 0 else LOST_BASE
        elif kind == REF_DELTA:
            if self._end - at < self._id_bytes:
                return
            found = self._named(self._data + at)
            entry.base = self._numbers[found] if found >= 0 else LOST_BASE
            at += self._id_bytes
        elif kind == 0 or kind > 4:
            return
        if at >= self._end:
            return
        entry.start = at
        entry.size = size
        entry.kind = kind

    cdef int64_t _named(self, const uint8_t *name) noexcept:
        """Return the place of an id in the index, or -1."""
        cdef size_t low = 0, high = self.count, middle
        cdef int order
        while low < high:
            middle = (low + high) >> 1
            order = memcmp(self._ids + middle * self._id_bytes, name, self._id_bytes)
            if order == 0:
                return <int64_t>middle
            if order < 0:
                low = middle + 1
            else:
                high = middle
        return -1

    def name(self, size_t number):
        """Return an entry's object id."""
        if number >= self.count:
            raise IndexError(number)
        return (<const char *>self._ids)[self._entries[number].name * self._id_bytes:
                                         (self._entries[number].name + 1) * self._id_bytes]

    def base(self, size_t number):
        """Return the number of the entry that this one is a delta of, or -1."""
        if number >= self.count:
            raise IndexError(number)
        return self._entries[number].base

    def is_last(self, size_t number):
        """Return whether no later entry of a walk needs the same base."""
        if number >= self.count:
            raise IndexError(number)
        return self._entries[number].last != 0

    def is_base(self, size_t number):
        """Return whether another entry is a delta of this one."""
        if number >= self.count:
            raise IndexError(number)
        return self._entries[number].parent != 0

    def find(self, bytes name not None):
        """Return the number of the entry with this id, or -1."""
        cdef int64_t found = -1
        if <size_t>len(name) == self._id_bytes:
            found = self._named(<const uint8_t *>PyBytes_AS_STRING(name))
        return self._numbers[found] if found >= 0 else -1

    def kind(self, size_t number):
        """Return the kind of what an entry ends in (gitformat-pack's numbers), 0 where it is not known."""
        if number >= self.count:
            raise IndexError(number)
        return self._entries[number].kind

    def also_in(self, Pack other not None, bytearray flags not None):
        """Flag the entries that another pack has as well, of the same kind."""
        cdef size_t mine = 0, theirs = 0
        cdef int order
        cdef uint8_t *flag = <uint8_t *>PyByteArray_AS_STRING(flags)
        if <size_t>len(flags) != self.count or other._id_bytes != self._id_bytes:
            raise ValueError("flags of another pack")
        while mine < self.count and theirs < other.count:
            order = memcmp(self._ids + mine * self._id_bytes, other._ids + theirs * self._id_bytes, self._id_bytes)
            if order == 0 and self._entries[self._numbers[mine]].kind == other._entries[other._numbers[theirs]].kind:
                flag[self._numbers[mine]] = 1
            mine += order <= 0
            theirs += order >= 0

    def ids(self, int kind):
        """Return the ids of all entries of a kind (gitformat-pack's numbers; 0 where it is not known)."""
        cdef size_t i
        return [self.name(i) for i in range(self.count) if self._entries[i].kind == kind]

    def walk(self, int kind, const uint8_t[::1] skip=None):
        """Return the numbers of a kind's entries, depth first: every base before its deltas, the largest family last.

        So a base need only be held while its smaller families are read: never more than log2(count) of them at once.
        Entries that `skip` flags are left out, but for those that others are made of. One walk of a kind at a time:
        `is_last` and `is_base` speak of the last one.
        """
        return walk(self._entries, self.count, kind, skip)

    def packed(self, int kind, const uint8_t[::1] skip=None):
        """Return how many bytes the entries of a kind take in the pack, but for those that `skip` flags."""
        cdef uint64_t total = 0
        cdef int32_t i
        if skip is not None and <size_t>skip.shape[0] != self.count:
            raise ValueError("flags of another pack")
        for i in range(<int32_t>self.count):
            if self._entries[i].kind == kind and (skip is None or not skip[i]):
                total += self._packed(i)
        return total

    def cuts(self, const int32_t[::1] order not None, size_t parts):
        """Return where a walk is to be cut into so many slices of about the same number of packed bytes."""
        cdef size_t i, total = 0, done = 0, count = <size_t>order.shape[0]
        found = [0]
        for i in range(count):
            total += self._packed(order[i])
        for i in range(count):
            if parts and done >= total * len(found) // parts and <size_t>len(found) < parts:
                found.append(i)
            done += self._packed(order[i])
        return [*found, count]

    cdef uint64_t _packed(self, int32_t number) except? 0:
        if number < 0 or <size_t>number >= self.count:
            raise IndexError(number)
        return (self._entries[number + 1].offset if <size_t>number + 1 < self.count else self._end) - (
            self._entries[number].offset)

    cdef int _inflate(self, size_t number, uint8_t *out, size_t size) except -1:
        """Inflate an entry's data, of exactly this size."""
        cdef uint64_t start = self._entries[number].start
        cdef uint64_t stop = self._entries[number + 1].offset if number + 1 < self.count else self._end
        if start >= stop:
            raise ValueError("an entry without data")
        self._touch(start, stop)
        return self._inflater.run(self._data + start, stop - start, out, size)

    cdef int _touch(self, uint64_t start, uint64_t stop) except -1:
        """Note that a part of the pack is to be read, and give back what was read before where that is much."""
        cdef size_t first = start >> _BLOCK_BITS, last = stop >> _BLOCK_BITS
        self._mapped += last - first + (first != self._block)
        self._block = last
        if self._mapped > _MOST_MAPPED and self._release is not None:
            self._mapped = last - first + 1
            self._release()
        return 0

    def read(self, size_t number):
        """Return the content of an entry that is no delta."""
        if number >= self.count or self._entries[number].base != NO_BASE:
            raise ValueError("not an object by itself")
        return self.content(number, None, &self._copied)

    def apply(self, size_t number, bytes base not None, Copies delta=None):
        """Return what a delta makes of its base's content; `delta` is filled in with what came from where."""
        if number >= self.count or self._entries[number].base < 0:
            raise ValueError("not a delta")
        self._copied.count = 0
        result = self.content(number, base, &self._copied)
        if delta is not None:
            delta.take(&self._copied, 0, <size_t>len(base), <size_t>len(result))
        return result

    def patch(self, bytes instructions not None, bytes base not None, Copies delta=None):
        """Return what these delta instructions make of a base; `apply` without a pack's entry."""
        self._copied.count = 0
        result = patch(<const uint8_t *>PyBytes_AS_STRING(instructions), <size_t>PyBytes_GET_SIZE(instructions), base,
                       self._limit, &self._copied)
        if delta is not None:
            delta.take(&self._copied, 0, <size_t>len(base), <size_t>len(result))
        return result

    cdef bytes content(self, size_t number, bytes base, Copied *copied):
        """Return an entry's content; of a delta it is added to `copied` which parts of it the base has, in order."""
        cdef Entry *entry = &self._entries[number]
        cdef uint8_t *room
        if entry.kind == 0:
            raise ValueError("an object that leads to nothing")
        # A delta may be longer than what it makes, though git writes none such.
        if entry.size > self._limit:
            raise ValueError("a large object, or a large delta")
        if entry.base < 0:
            content = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>entry.size)
            self._inflate(number, <uint8_t *>PyBytes_AS_STRING(content), entry.size)
            return content
        if entry.size > self._scratch_size:
            room = <uint8_t *>realloc(self._scratch, entry.size)
            if room is NULL:
                raise MemoryError
            self._scratch, self._scratch_size = room, entry.size
        self._inflate(number, self._scratch, entry.size)
        return patch(self._scratch, entry.size, base, self._limit, copied)
