# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""The hot part of reading packs: entry headers, the delta forest, inflating, delta application, changed windows.

Formats: gitformat-pack(5). A pack is written by whoever made the repository, so every offset and length in it is
checked before it is used, by hand: the compiler does not. Whatever does not fit raises `ValueError`, and the caller
asks git. Optional: where no compiler was at hand this module is not there, and git reads every object.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memchr, memcmp, memcpy


cdef extern from "zlib.h" nogil:
    ctypedef struct z_stream:
        uint8_t *next_in
        unsigned int avail_in
        uint8_t *next_out
        unsigned int avail_out
    int inflateInit(z_stream *stream)
    int inflateReset(z_stream *stream)
    int inflateEnd(z_stream *stream)
    int inflate(z_stream *stream, int flush)
    int Z_OK
    int Z_FINISH
    int Z_STREAM_END


# Kinds of objects as a pack numbers them; what an entry ends in is one of the first four, 0 where it is unknown.
cdef enum:
    OFS_DELTA = 6
    REF_DELTA = 7

# A pack of more entries than this is git's to read; numbers of entries are 32 bits wide here.
cdef size_t _MOST_ENTRIES = 1 << 30
cdef int32_t _NO_BASE = -1
cdef int32_t _LOST_BASE = -2


cdef struct Entry:
    uint64_t offset   # of the entry's header in the pack
    uint64_t start    # of the compressed data
    uint64_t size     # of the data when inflated; a delta's own size, not that of what it makes
    uint32_t name     # the number of its id in the index
    int32_t base
    uint8_t kind
    uint8_t last      # the last of its base's children to be read
    uint8_t parent    # has children


cdef struct Copy:
    size_t at         # in the result
    size_t source     # in the base
    size_t size


cdef struct Window:
    size_t start      # what has to be looked at again ...
    size_t stop
    size_t first      # ... and the ends of candidates that are to be had from there, inclusive
    size_t final
    size_t at         # where the window stands in the gathered text


cdef int _by_offset(const void *a, const void *b) noexcept nogil:
    cdef uint64_t one = (<const Entry *>a).offset
    cdef uint64_t other = (<const Entry *>b).offset
    return -1 if one < other else 1 if one > other else 0


cdef class Pack:
    """A pack and its index, both as they are mapped; entries are numbered in the order of their offsets.

    `names` are the ids of the index, sorted, and `offsets` what it says of them, as native 64-bit numbers.
    """

    cdef readonly size_t count
    cdef object _content, _names
    cdef const uint8_t *_data
    cdef const uint8_t *_ids
    cdef size_t _end
    cdef size_t _id_bytes
    cdef size_t _limit
    cdef Entry *_entries
    cdef int32_t *_numbers      # by number of the id in the index
    cdef z_stream _stream
    cdef bint _ready
    cdef uint8_t *_scratch
    cdef size_t _scratch_size
    cdef Copy *_copies
    cdef size_t _copies_room

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
        for i in range(count):
            self._entries[i].offset = offsets[i]
            self._entries[i].name = <uint32_t>i
        qsort(self._entries, count, sizeof(Entry), _by_offset)
        self.count = count
        for i in range(count):
            if self._entries[i].offset < 12 or self._entries[i].offset >= self._end:
                raise ValueError("an offset outside of the pack")
            if i and self._entries[i].offset == self._entries[i - 1].offset:
                raise ValueError("two objects at one place")
            self._numbers[self._entries[i].name] = <int32_t>i
        if inflateInit(&self._stream) != Z_OK:
            raise MemoryError
        self._ready = True
        for i in range(count):
            self._read_header(&self._entries[i])
        self._tell_kinds()

    def __dealloc__(self):
        if self._ready:
            inflateEnd(&self._stream)
        free(self._entries)
        free(self._numbers)
        free(self._scratch)
        free(self._copies)

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
            found = self._at(entry.offset - back)
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

    cdef int64_t _at(self, uint64_t offset) noexcept:
        """Return the number of the entry that begins at this offset, or -1."""
        cdef size_t low = 0, high = self.count, middle
        while low < high:
            middle = (low + high) >> 1
            if self._entries[middle].offset < offset:
                low = middle + 1
            else:
                high = middle
        return <int64_t>low if low < self.count and self._entries[low].offset == offset else -1

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

    def ids(self, int kind):
        """Return the ids of all entries of a kind (gitformat-pack's numbers; 0 where it is not known)."""
        cdef size_t i
        return [self.name(i) for i in range(self.count) if self._entries[i].kind == kind]

    def walk(self, int kind):
        """Return the numbers of a kind's entries, depth first: every base before its deltas, the largest family last.

        So a base need only be held while its smaller families are read: never more than log2(count) of them at once.
        """
        cdef size_t n = self.count, i, filled = 0
        cdef int32_t at, base, largest
        cdef int32_t *first = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *after = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *order = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *heirs = <int32_t *>malloc(n * sizeof(int32_t))
        cdef int32_t *todo = <int32_t *>malloc(n * sizeof(int32_t))
        cdef uint32_t *sizes = <uint32_t *>malloc(n * sizeof(uint32_t))
        try:
            if not (first and after and order and heirs and todo and sizes):
                raise MemoryError
            for i in range(n):
                first[i] = heirs[i] = -1
                sizes[i] = 1
            for i in range(n):
                if self._entries[i].kind == kind:
                    self._entries[i].last = self._entries[i].parent = 0
            for i in range(n):
                at = <int32_t>(n - 1 - i)
                base = self._entries[at].base
                if self._entries[at].kind == kind and base >= 0:
                    after[at] = first[base]
                    first[base] = at
                    self._entries[base].parent = 1
            # Without an order among siblings first, to count families from their ends.
            filled = self._preorder(kind, first, after, heirs, todo, order)
            for i in range(filled):
                at = order[filled - 1 - i]
                base = self._entries[at].base
                if base >= 0:
                    sizes[base] += sizes[at]
                    largest = heirs[base]
                    if largest < 0 or sizes[at] > sizes[largest]:
                        heirs[base] = at
            for i in range(filled):
                if heirs[order[i]] >= 0:
                    self._entries[heirs[order[i]]].last = 1
            filled = self._preorder(kind, first, after, heirs, todo, order)
            return [order[i] for i in range(filled)]
        finally:
            free(first)
            free(after)
            free(order)
            free(heirs)
            free(todo)
            free(sizes)

    cdef size_t _preorder(self, int kind, int32_t *first, int32_t *after, int32_t *heirs, int32_t *todo,
                          int32_t *order) noexcept:
        cdef size_t i, filled = 0, waiting
        cdef int32_t at, child
        for i in range(self.count):
            if self._entries[i].kind != kind or self._entries[i].base != _NO_BASE:
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
                    if child != heirs[at]:
                        todo[waiting] = child
                        waiting += 1
                    child = after[child]
        return filled

    cdef int _inflate(self, size_t number, uint8_t *out, size_t size) except -1:
        """Inflate an entry's data, of exactly this size."""
        cdef Entry *entry = &self._entries[number]
        cdef uint64_t stop = self._entries[number + 1].offset if number + 1 < self.count else self._end
        cdef uint8_t nothing
        cdef uint64_t room
        if entry.start >= stop:
            raise ValueError("an entry without data")
        room = stop - entry.start
        if inflateReset(&self._stream) != Z_OK:
            raise ValueError("zlib cannot start")
        self._stream.next_in = <uint8_t *>self._data + entry.start
        self._stream.avail_in = <unsigned int>(room if room < 0x7fffffff else 0x7fffffff)
        self._stream.next_out = out if size else &nothing
        self._stream.avail_out = <unsigned int>size
        if inflate(&self._stream, Z_FINISH) != Z_STREAM_END or self._stream.avail_out:
            raise ValueError("data that cannot be inflated")
        return 0

    def read(self, size_t number):
        """Return the content of an entry that is no delta."""
        if number >= self.count or self._entries[number].base != _NO_BASE or self._entries[number].kind == 0:
            raise ValueError("not an object by itself")
        cdef uint64_t size = self._entries[number].size
        if size > self._limit:
            raise ValueError("a large object")
        content = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        self._inflate(number, <uint8_t *>PyBytes_AS_STRING(content), size)
        return content

    def apply(self, size_t number, bytes base not None, Delta delta=None):
        """Return what a delta makes of its base's content; `delta` is filled in with what came from where."""
        if number >= self.count or self._entries[number].base < 0 or self._entries[number].kind == 0:
            raise ValueError("not a delta")
        cdef uint64_t size = self._entries[number].size
        cdef uint8_t *room
        # A delta may be longer than what it makes, though git writes none such.
        if size > self._limit:
            raise ValueError("a large delta")
        if size > self._scratch_size:
            room = <uint8_t *>realloc(self._scratch, size)
            if room is NULL:
                raise MemoryError
            self._scratch, self._scratch_size = room, size
        self._inflate(number, self._scratch, size)
        return self._apply(self._scratch, size, base, delta)

    def patch(self, bytes instructions not None, bytes base not None, Delta delta=None):
        """Return what these delta instructions make of a base; `apply` without a pack's entry."""
        return self._apply(<const uint8_t *>PyBytes_AS_STRING(instructions), PyBytes_GET_SIZE(instructions), base, delta)

    cdef bytes _apply(self, const uint8_t *data, size_t size, bytes base, Delta delta):
        cdef const uint8_t *source = <const uint8_t *>PyBytes_AS_STRING(base)
        cdef size_t source_size = <size_t>PyBytes_GET_SIZE(base)
        cdef size_t at = 0, copies = 0, offset, length, left, made
        cdef uint64_t result_size
        cdef uint8_t op, bit
        cdef uint8_t *out
        if _varint(data, size, &at) != source_size:
            raise ValueError("a delta of another base")
        result_size = _varint(data, size, &at)
        if result_size > self._limit:
            raise ValueError("a large object")
        result = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>result_size)
        out = <uint8_t *>PyBytes_AS_STRING(result)
        left, made = result_size, 0
        while at < size:
            op = data[at]
            at += 1
            if op & 0x80:
                offset = length = 0
                for bit in range(4):
                    if op & (1 << bit):
                        if at >= size:
                            raise ValueError("a delta that ends too early")
                        offset |= <size_t>data[at] << (8 * bit)
                        at += 1
                for bit in range(3):
                    if op & (0x10 << bit):
                        if at >= size:
                            raise ValueError("a delta that ends too early")
                        length |= <size_t>data[at] << (8 * bit)
                        at += 1
                if length == 0:
                    length = 0x10000
                if length > left or offset > source_size or length > source_size - offset:
                    raise ValueError("a delta that copies what is not there")
                memcpy(out + made, source + offset, length)
                if copies and self._copies[copies - 1].at + self._copies[copies - 1].size == made and (
                        self._copies[copies - 1].source + self._copies[copies - 1].size == offset):
                    self._copies[copies - 1].size += length
                else:
                    self._make_room(copies)
                    self._copies[copies].at = made
                    self._copies[copies].source = offset
                    self._copies[copies].size = length
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
        if delta is not None:
            delta.take(self._copies, copies, source_size, made)
        return result

    cdef int _make_room(self, size_t copies) except -1:
        cdef Copy *room
        if copies >= self._copies_room:
            room = <Copy *>realloc(self._copies, (2 * copies + 64) * sizeof(Copy))
            if room is NULL:
                raise MemoryError
            self._copies, self._copies_room = room, 2 * copies + 64
        return 0


cdef uint64_t _varint(const uint8_t *data, size_t size, size_t *at) except? 0xffffffffffffffff:
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


cdef class Delta:
    """How one version of a content was made of another: which parts were copied, so which were not.

    `before` is what a reader noted of the base, `notes` what it notes of the result, for the deltas made of that.
    """

    cdef readonly object before
    cdef public object notes
    cdef Copy *_copies
    cdef size_t _count
    cdef size_t _base_size
    cdef size_t _size
    cdef Window *_windows
    cdef size_t _window_count

    def __cinit__(self, before=None):
        self.before = before

    def __dealloc__(self):
        free(self._copies)
        free(self._windows)

    cdef int take(self, const Copy *copies, size_t count, size_t base_size, size_t size) except -1:
        cdef Copy *room = <Copy *>malloc((count + 1) * sizeof(Copy))
        if room is NULL:
            raise MemoryError
        if count:
            memcpy(room, copies, count * sizeof(Copy))
        free(self._copies)
        self._copies = room
        self._count, self._base_size, self._size = count, base_size, size
        self._window_count = 0
        return 0

    def copies(self):
        """Return the copied parts: where they stand, where they stood, how long they are."""
        return [(self._copies[i].at, self._copies[i].source, self._copies[i].size) for i in range(self._count)]

    def gather(self, bytes data not None, size_t near, size_t far):
        """Return, one after the other, the parts of the result in which a candidate can be that the base has not.

        A candidate hangs on at most `near` bytes before its end and one behind it, or on `far` of them within its
        line. None where the parts are most of the result.
        """
        if <size_t>PyBytes_GET_SIZE(data) != self._size:
            raise ValueError("not the content that the delta made")
        cdef const char *text = PyBytes_AS_STRING(data)
        cdef size_t i, done = 0, total = 0
        cdef Window *window
        free(self._windows)
        self._window_count = 0
        self._windows = <Window *>malloc((self._count + 2) * sizeof(Window))
        if self._windows is NULL:
            raise MemoryError
        for i in range(self._count):
            if i or self._copies[i].at or self._copies[i].source:
                self._open(text, done, self._copies[i].at, near, far)
            done = self._copies[i].at + self._copies[i].size
        if done < self._size or self._count == 0 or (
                self._copies[self._count - 1].source + self._copies[self._count - 1].size != self._base_size):
            self._open(text, done, self._size, near, far)
        for i in range(self._window_count):
            self._windows[i].at = total
            total += self._windows[i].stop - self._windows[i].start
        if total > self._size - self._size // 4:
            return None
        gathered = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
        for i in range(self._window_count):
            window = &self._windows[i]
            memcpy(PyBytes_AS_STRING(gathered) + window.at, text + window.start, window.stop - window.start)
        return gathered

    cdef void _open(self, const char *text, size_t start, size_t stop, size_t near, size_t far) noexcept:
        """Add the window around a part that was not copied, which may be empty, or widen the last one to it."""
        cdef size_t size = self._size, first, final, line, bound
        cdef const char *found
        cdef Window *last
        # To the left: the beginning of the line, or where `far` ends, but `near` in any case.
        bound = start - far - 1 if start > far + 1 else 0
        line = start
        while line > bound and text[line - 1] != 10:
            line -= 1
        # One byte more, for what looks at a boundary.
        if line:
            line -= 1
        if line < bound:
            line = bound
        first = start - near - 1 if start > near + 1 else 0
        if line < first:
            first = line
        # To the right: a candidate that ends in the next line, and further away than `near`, hangs on copied bytes only.
        bound = far + 1 if size - stop > far + 1 else size - stop
        found = <const char *>memchr(text + stop, 10, bound)
        final = <size_t>(found - text) + 1 if found is not NULL else stop + bound
        bound = near + 1 if size - stop > near + 1 else size - stop
        if final < stop + bound:
            final = stop + bound
        if self._window_count:
            last = &self._windows[self._window_count - 1]
            if first <= last.stop:
                last.final = final
                last.stop = final + 1 if final < size else size
                return
        last = &self._windows[self._window_count]
        self._window_count += 1
        last.start, last.first, last.final = first, start, final
        last.stop = final + 1 if final < size else size

    def merge(self, list before not None, list fresh not None, const uint32_t[::1] left=None,
              const uint32_t[::1] right=None):
        """Return the candidates (end, rule) of the result: those of the base's in copied parts, and the fresh ones.

        Both lists are in ascending order; the offsets of `fresh` are those of the gathered text. A candidate of the
        base's may have a third part, that hangs on `left[rule]` bytes before its end and `right[rule]` behind it: it
        keeps that where all of these are copied with it.
        """
        cdef size_t rule, rules = <size_t>left.shape[0] if left is not None and right is not None else 0
        cdef list found = []
        cdef size_t i, window, end, low, high, middle
        cdef size_t known = <size_t>len(before)
        cdef Copy *copy
        cdef bint whole
        if not known and not fresh:
            return found
        window = 0
        for i in range(self._count if known else 0):
            copy = &self._copies[i]
            low, high = 0, known
            while low < high:
                middle = (low + high) >> 1
                if <size_t>(<tuple>before[middle])[0] <= copy.source:
                    low = middle + 1
                else:
                    high = middle
            while low < known:
                item = <tuple>before[low]
                end = <size_t>item[0]
                if end > copy.source + copy.size:
                    break
                rule = <size_t>item[1]
                whole = rule < rules and rule < <size_t>right.shape[0] and (
                    end - copy.source >= left[rule] and copy.source + copy.size - end >= right[rule])
                end = end - copy.source + copy.at
                while window < self._window_count and self._windows[window].final < end:
                    window += 1
                if window >= self._window_count or end < self._windows[window].first:
                    found.append((end, item[1], item[2]) if whole and len(item) == 3 else (end, item[1]))
                low += 1
        window = 0
        for item in fresh:
            end = <size_t>item[0]
            while window + 1 < self._window_count and self._windows[window + 1].at < end:
                window += 1
            end = end - self._windows[window].at + self._windows[window].start
            if self._windows[window].first <= end <= self._windows[window].final:
                found.append((end, item[1]))
        found.sort()
        return found


def select(const uint32_t[::1] numbers not None, const uint8_t[::1] flags not None):
    """Return the numbers that are flagged, in their order."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = flags.shape[0]
    found = []
    for i in range(numbers.shape[0]):
        if numbers[i] < size and flags[numbers[i]]:
            found.append(numbers[i])
    return found


def first(const uint32_t[::1] numbers not None, const uint8_t[::1] flags not None):
    """Return the first number that is flagged, or -1."""
    cdef Py_ssize_t i
    cdef Py_ssize_t size = flags.shape[0]
    for i in range(numbers.shape[0]):
        if numbers[i] < size and flags[numbers[i]]:
            return numbers[i]
    return -1


def parse_tree(Delta change not None, bytes data not None, size_t id_bytes, numbers):
    """Return the numbers of a tree's entries as 32-bit integers, or None where it is malformed.

    `numbers` gives each entry (mode, name and id) its number. What the tree has copied from its base has one already:
    an entry that began where one begins in the base goes on like that one as long as both are the same bytes.
    """
    cdef const char *text = PyBytes_AS_STRING(data)
    cdef size_t size = <size_t>PyBytes_GET_SIZE(data), at = 0, count = 0, copy = 0, from_, low, high, middle, stop
    cdef size_t most = size // (id_bytes + 2) + 1
    cdef const uint32_t *base_numbers = NULL
    cdef const uint32_t *base_starts = NULL
    cdef size_t base_count = 0
    cdef const char *found
    cdef uint32_t *made
    cdef uint32_t *starts
    if size > 0x7fffffff:
        return None
    if change._count and size != change._size:
        raise ValueError("not the content that the delta made")
    before = change.before
    if before is not None:
        # Two strings: the numbers, and where their entries begin, with the end of the last one.
        base_count = <size_t>PyBytes_GET_SIZE(<bytes?>before[0]) // 4
        if <size_t>PyBytes_GET_SIZE(<bytes?>before[1]) // 4 != base_count + 1:
            raise ValueError("not what was noted of a tree")
        base_numbers = <const uint32_t *>PyBytes_AS_STRING(before[0])
        base_starts = <const uint32_t *>PyBytes_AS_STRING(before[1])
    made = <uint32_t *>malloc(most * 4)
    starts = <uint32_t *>malloc((most + 1) * 4)
    try:
        if made is NULL or starts is NULL:
            raise MemoryError
        while at < size:
            while base_count and copy < change._count and change._copies[copy].at + change._copies[copy].size <= at:
                copy += 1
            if base_count and copy < change._count and change._copies[copy].at <= at:
                from_ = at - change._copies[copy].at + change._copies[copy].source
                stop = change._copies[copy].source + change._copies[copy].size
                low, high = 0, base_count
                while low < high:
                    middle = (low + high) >> 1
                    if base_starts[middle] < from_:
                        low = middle + 1
                    else:
                        high = middle
                if low < base_count and base_starts[low] == from_ and base_starts[low + 1] <= stop:
                    while low < base_count and base_starts[low + 1] <= stop:
                        made[count] = base_numbers[low]
                        starts[count] = <uint32_t>at
                        at += base_starts[low + 1] - base_starts[low]
                        count += 1
                        low += 1
                    continue
            found = <const char *>memchr(text + at, 0, size - at)
            if found is NULL or found == text + at or size - (found - text) < id_bytes + 1:
                return None
            stop = (found - text) + 1 + id_bytes
            made[count] = <uint32_t>numbers[text[at:stop]]
            starts[count] = <uint32_t>at
            count += 1
            at = stop
        starts[count] = <uint32_t>size
        result = (<const char *>made)[:count * 4]
        change.notes = result, (<const char *>starts)[:(count + 1) * 4]
        return result
    finally:
        free(made)
        free(starts)
