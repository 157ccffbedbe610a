# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""The packs' side of the kernel: entry headers, the delta forest, inflating, delta application.

Formats: gitformat-pack(5). A pack is written by whoever made the repository, so every offset and length in it is
checked before it is used, by hand: the compiler does not. Whatever does not fit raises `ValueError`, and the caller
asks git.
"""

from cpython cimport array
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

import array

from scanner.git.kernel.inflate cimport Inflater

# A pack of more entries than this is git's to read; numbers of entries are 32 bits wide here.
cdef size_t _MOST_ENTRIES = 1 << 30
cdef int32_t _NO_BASE = -1
cdef int32_t _LOST_BASE = -2
cdef array.array _NUMBERS = array.array("i")


# An entry's offset and the number of its id, while they are sorted.
cdef struct _Placed:
    uint64_t offset
    uint32_t name


cdef int _place(Entry *entries, const uint64_t *offsets, size_t count) except -1:
    """Number the entries in the order of their offsets: sixteen bits at a time, the lowest first."""
    cdef size_t i, at, sum_
    cdef unsigned int shift = 0
    cdef uint64_t highest = 0
    cdef size_t *starts = <size_t *>malloc(0x10000 * sizeof(size_t))
    cdef _Placed *one = <_Placed *>malloc(count * sizeof(_Placed))
    cdef _Placed *other = <_Placed *>malloc(count * sizeof(_Placed))
    try:
        if starts is NULL or one is NULL or other is NULL:
            raise MemoryError
        for i in range(count):
            one[i].offset, one[i].name = offsets[i], <uint32_t>i
            highest |= offsets[i]
        while shift < 64 and highest >> shift:
            memset(starts, 0, 0x10000 * sizeof(size_t))
            for i in range(count):
                starts[(one[i].offset >> shift) & 0xffff] += 1
            sum_ = 0
            for i in range(0x10000):
                at = starts[i]
                starts[i] = sum_
                sum_ += at
            for i in range(count):
                at = (one[i].offset >> shift) & 0xffff
                other[starts[at]] = one[i]
                starts[at] += 1
            one, other = other, one
            shift += 16
        for i in range(count):
            entries[i].offset, entries[i].name = one[i].offset, one[i].name
        return 0
    finally:
        free(starts)
        free(one)
        free(other)


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


cdef class Pack:
    """A pack and its index, both as they are mapped; entries are numbered in the order of their offsets.

    `names` are the ids of the index, sorted, and `offsets` what it says of them, as native 64-bit numbers.
    """

    def __cinit__(self, const uint8_t[::1] content, const uint8_t[::1] names, const uint64_t[::1] offsets,
                  size_t id_bytes, size_t limit):
        cdef size_t count = <size_t>offsets.shape[0]
        cdef size_t i
        self._content, self._names = content, names
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
        _place(self._entries, &offsets[0], count)
        self.count = count
        for i in range(count):
            if self._entries[i].offset < 12 or self._entries[i].offset >= self._end:
                raise ValueError("an offset outside of the pack")
            if i and self._entries[i].offset == self._entries[i - 1].offset:
                raise ValueError("two objects at one place")
            self._numbers[self._entries[i].name] = <int32_t>i
        self._inflater = Inflater()
        for i in range(count):
            self._read_header(&self._entries[i])
        self._tell_kinds()

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
        entry.base = _NO_BASE
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
            found = self._at(entry.offset - back, <size_t>(entry - self._entries))
            entry.base = <int32_t>found if found >= 0 else _LOST_BASE
        elif kind == REF_DELTA:
            if self._end - at < self._id_bytes:
                return
            found = self._named(self._data + at)
            entry.base = self._numbers[found] if found >= 0 else _LOST_BASE
            at += self._id_bytes
        elif kind == 0 or kind > 4:
            return
        if at >= self._end:
            return
        entry.start = at
        entry.size = size
        entry.kind = kind

    cdef int64_t _at(self, uint64_t offset, size_t before) noexcept:
        """Return the number of the entry that begins at this offset, before another one and mostly near to it, or -1."""
        cdef size_t low, high = before, middle, step = 16
        while step < before and self._entries[before - step].offset > offset:
            high = before - step
            step *= 4
        low = before - step if step < before else 0
        while low < high:
            middle = (low + high) >> 1
            if self._entries[middle].offset < offset:
                low = middle + 1
            else:
                high = middle
        return <int64_t>low if low < before and self._entries[low].offset == offset else -1

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

    cdef int _tell_kinds(self) except -1:
        """Replace the kinds of deltas by that of what they end in; 0 where that is nothing, such as a circle."""
        cdef size_t i
        cdef int32_t at, back, step
        cdef uint8_t kind
        # Turned round on the way to the root, and back again on the way home.
        cdef int32_t *path = <int32_t *>malloc(self.count * sizeof(int32_t))
        cdef uint8_t *known = <uint8_t *>calloc(self.count, 1)
        if path is NULL or known is NULL:
            free(path)
            free(known)
            raise MemoryError
        for i in range(self.count):
            back = 0
            at = <int32_t>i
            while known[at] == 0:
                known[at] = 1  # on the path
                path[back] = at
                back += 1
                if self._entries[at].kind < OFS_DELTA or self._entries[at].base < 0:
                    break
                at = self._entries[at].base
            if back == 0:
                continue
            if known[at] == 2:
                kind = self._entries[at].kind
            elif at == path[back - 1] and self._entries[at].kind < OFS_DELTA:
                kind = self._entries[at].kind
            else:
                kind = 0  # a base that is not in this pack, or a circle
            for step in range(back):
                self._entries[path[step]].kind = kind
                known[path[step]] = 2
        free(path)
        free(known)
        return 0

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
        cdef size_t n = self.count, i, filled = 0
        cdef int32_t at, base, largest
        cdef int32_t *first = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *after = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *order = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *heirs = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *todo = <int32_t *>malloc(n * sizeof(int32_t))
        cdef uint32_t *sizes = <uint32_t *>malloc(n * sizeof(uint32_t))
        cdef uint8_t *needed = <uint8_t *>malloc(n)
        try:
            if not (first and after and order and heirs and todo and sizes and needed):
                raise MemoryError
            if skip is not None and <size_t>skip.shape[0] != n:
                raise ValueError("flags of another pack")
            for i in range(n):
                first[i] = heirs[i] = -1
                sizes[i] = needed[i] = 1
                if self._entries[i].kind == kind:
                    self._entries[i].last = self._entries[i].parent = 0
            for i in range(n):
                at = <int32_t>(n - 1 - i)
                base = self._entries[at].base
                if self._entries[at].kind == kind and base >= 0:
                    after[at] = first[base]
                    first[base] = at
            # Without an order among siblings first, to count families from their ends.
            filled = self._preorder(kind, needed, first, after, heirs, todo, order)
            for i in range(filled if skip is not None else 0):
                needed[order[i]] = skip[order[i]] == 0
            for i in range(filled):
                at = order[filled - 1 - i]
                base = self._entries[at].base
                if base >= 0 and needed[at]:
                    needed[base] = self._entries[base].parent = 1
                    sizes[base] += sizes[at]
                    largest = heirs[base]
                    if largest < 0 or sizes[at] > sizes[largest]:
                        heirs[base] = at
            for i in range(filled):
                if heirs[order[i]] >= 0:
                    self._entries[heirs[order[i]]].last = 1
            filled = self._preorder(kind, needed, first, after, heirs, todo, order)
            numbers = array.clone(_NUMBERS, <Py_ssize_t>filled, False)
            if filled:
                memcpy(numbers.data.as_ints, order, filled * sizeof(int32_t))
            return numbers
        finally:
            free(first)
            free(after)
            free(order)
            free(heirs)
            free(todo)
            free(sizes)
            free(needed)

    cdef size_t _preorder(self, int kind, const uint8_t *needed, int32_t *first, int32_t *after, int32_t *heirs,
                          int32_t *todo, int32_t *order) noexcept:
        cdef size_t i, filled = 0, waiting
        cdef int32_t at, child
        for i in range(self.count):
            if self._entries[i].kind != kind or self._entries[i].base != _NO_BASE or not needed[i]:
                continue
            todo[0] = <int32_t>i
            waiting = 1
            while waiting:
                waiting -= 1
                at = todo[waiting]
                order[filled] = at
                filled += 1
                # The heir goes onto the stack first, so it is taken off last.
                if heirs[at] >= 0:
                    todo[waiting] = heirs[at]
                    waiting += 1
                child = first[at]
                while child >= 0:
                    if child != heirs[at] and needed[child]:
                        todo[waiting] = child
                        waiting += 1
                    child = after[child]
        return filled

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
        return self._inflater.run(self._data + start, stop - start, out, size)

    def read(self, size_t number):
        """Return the content of an entry that is no delta."""
        if number >= self.count or self._entries[number].base != _NO_BASE:
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
        result = self._apply(<const uint8_t *>PyBytes_AS_STRING(instructions), PyBytes_GET_SIZE(instructions), base,
                             &self._copied)
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
        return self._apply(self._scratch, entry.size, base, copied)

    cdef bytes _apply(self, const uint8_t *data, size_t size, bytes base, Copied *copied):
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
        if result_size > self._limit:
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
