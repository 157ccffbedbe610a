# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""What trees and commits say, as numbers; `scanner/git/facts.py` says what they mean, and does the same by itself.

Each id, each name and each distinct entry of a tree has a number. A tree is kept as what it is made of: another tree,
entries that are gone, entries that are added. Whatever is read comes from whoever made the repository.
"""

from array import array as make_array

from cpython.array cimport resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport Py_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort
from libc.string cimport memchr, memcmp, memset

from scanner.git.kernel.commit cimport is_rest_of_header, signature, unhex
from scanner.git.kernel.growing cimport MOST, Numbers, Text, add_number, push, push_byte, push_long, write
from scanner.git.kernel.ids cimport Ids
from scanner.git.kernel.table cimport Digest, Table, digest, find, put

cdef enum:
    # Flags of objects, and kinds of entries, as in `scanner/git/facts.py`.
    IS_TREE = 2
    IS_COMMIT = 4
    OTHER_ENTRY = 0
    TREE_ENTRY = 1
    SUBMODULE_ENTRY = 2

cdef uint32_t NONE = 0xffffffff
cdef size_t _MOST_DIGITS = 16
cdef size_t _MANY = 64


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


cdef class Facts(Ids):
    """See `scanner.git.facts.Facts`."""

    def __cinit__(self, size_t id_bytes):
        self.kinds = make_array("B")
        self.times, self._line_ends = make_array("Q"), make_array("Q")
        self.trees, self.bases = make_array("I"), make_array("I")
        self.bounds, self.changes = make_array("I", [0]), make_array("I")
        self.children, self.labels, self._label_ends = make_array("I"), make_array("I"), make_array("I")
        self.commits, self.roots, self.parents = make_array("I"), make_array("I"), make_array("I")
        self.parent_bounds = make_array("I", [0])

    def __dealloc__(self):
        free(self._entries.slots)
        free(self._labels.slots)
        free(self._label_text.data)
        free(self._line_text.data)
        free(self._numbers.items)

    # Entries of trees

    cdef uint32_t _label(self, const uint8_t *text, size_t size) except? 0xffffffff:
        """Return the number of an entry's mode and name, which it is given now if it had none."""
        cdef Digest what = digest(&self._key, text, size)
        cdef int64_t number = find(&self._labels, &what)
        if number >= 0:
            return <uint32_t>number
        if self._label_text.size + size >= MOST:
            raise MemoryError
        number = Py_SIZE(self._label_ends)
        write(&self._label_text, text, size)
        push(self._label_ends, <uint32_t>self._label_text.size)
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
        push(self.children, child)
        push(self.labels, label)
        push_byte(self.kinds, kind)
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
            push(self.changes, gone.items[i])
        push(self.bounds, <uint32_t>Py_SIZE(self.changes))
        for i in range(added.count):
            push(self.changes, added.items[i])
        push(self.bounds, <uint32_t>Py_SIZE(self.changes))
        push(self.trees, <uint32_t>number)
        push(self.bases, <uint32_t>base if base >= 0 else NONE)
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
                not unhex(at + 5, name, self.id_bytes)):
            return False
        root = self.number_id(name)
        at += hexed + 6
        while <size_t>(end - at) >= hexed + 8 and memcmp(at, b"parent ", 7) == 0:
            if at[hexed + 7] != 10 or not unhex(at + 7, name, self.id_bytes):
                return False
            add_number(&self._numbers, self.number_id(name))
            at += hexed + 8
        line = at
        if end - at < 7 or memcmp(at, b"author ", 7):
            return False
        at = signature(at + 7, end, &seconds)
        if at is NULL or end - at < 10 or memcmp(at, b"committer ", 10):
            return False
        stop = at - 1
        at = signature(at + 10, end, &seconds)
        if at is NULL or not is_rest_of_header(at, end):
            return False
        self._keep(number, root, seconds, line, <size_t>(stop - line))
        return True

    cdef int _keep(self, size_t number, uint32_t root, uint64_t seconds, const uint8_t *line, size_t size) except -1:
        cdef size_t i
        write(&self._line_text, line, size)
        push_long(self._line_ends, self._line_text.size)
        push(self.roots, root)
        push_long(self.times, seconds)
        for i in range(self._numbers.count):
            push(self.parents, self._numbers.items[i])
        push(self.parent_bounds, <uint32_t>Py_SIZE(self.parents))
        self.flags.data.as_uchars[number] |= IS_COMMIT
        self.places.data.as_uints[number] = <uint32_t>Py_SIZE(self.commits)
        push(self.commits, <uint32_t>number)
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
