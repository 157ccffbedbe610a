# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""Many objects of a pack as one text, and back from what was found in it to the few that have something to look at.

What there is to look at of an object, all of it or what is new in a delta, goes into the text; between two objects
stands the end of a line. Of the rest nothing is kept but how many they were.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_GetItemWithError
from cpython.ref cimport Py_XDECREF, Py_XINCREF, PyObject
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, qsort, realloc
from libc.string cimport memchr, memcmp, memcpy

cimport cython

from scanner.git.kernel.delta cimport Change, Margins, Mark, Marks, Window, carry, choose, open_windows, push, surround
from scanner.git.kernel.entry cimport Entry
from scanner.git.kernel.pack cimport Pack
from scanner.git.kernel.patch cimport Copied

# Contents in which nothing was found yet are held up to so many bytes, and text is gathered up to so many.
cdef size_t _MOST_HELD = 2 << 20
cdef size_t _MOST_TEXT = 256 << 10
# Longer parts are not looked up.
cdef size_t _MOST_REMEMBERED = 4096
cdef object _NOTHING = ()


cdef int _by_place(const void *a, const void *b) noexcept nogil:
    cdef const Mark *one = <const Mark *>a
    cdef const Mark *other = <const Mark *>b
    if one.end != other.end:
        return -1 if one.end < other.end else 1
    return -1 if one.rule < other.rule else 1 if one.rule > other.rule else 0


cdef class Hits:
    """Takes what a search finds in a text: call it as Hyperscan calls whom it tells."""

    cdef Marks marks

    def __dealloc__(self):
        free(self.marks.items)

    def __call__(self, uint32_t rule, start, size_t end, flags=None, context=None):
        push(&self.marks, end, rule, NULL)

    cdef void sort(self) noexcept:
        cdef size_t i
        for i in range(1, self.marks.count):
            if _by_place(&self.marks.items[i - 1], &self.marks.items[i]) > 0:
                qsort(self.marks.items, self.marks.count, sizeof(Mark), _by_place)
                return


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Version:
    """A content with something to look at, and what is known of it.

    `candidates` are (end, rule) in ascending order; with a third part, what the candidate leads to. Those that are
    known to lead nowhere are left out. Whoever finds out about one puts the longer tuple in its place, before the next
    version is asked for. `forms` are the ends of encoded text, and their kinds.
    """

    cdef readonly bytes data
    cdef readonly list candidates, forms
    cdef Version base
    cdef Marks marks, runs
    cdef int32_t number
    cdef bint looked_at      # or to be: what is made of it need only be looked at where it is new
    cdef bint odd            # its beginning is worth a look
    cdef size_t copy, copies, window, windows, base_size

    def __dealloc__(self):
        cdef size_t i
        for i in range(self.marks.count):
            Py_XDECREF(self.marks.items[i].note)
        free(self.marks.items)
        free(self.runs.items)

    cdef int keep(self, const Marks *marks, const Marks *runs) except -1:
        """Keep the candidates for what is made of this content."""
        cdef size_t i
        _copy(marks, &self.marks)
        for i in range(marks.count):
            Py_XINCREF(marks.items[i].note)
        return _copy(runs, &self.runs)

    cdef int learn(self) except -1:
        """Take in what was found out about the candidates."""
        cdef size_t i, at = 0
        cdef PyObject *note
        for i in range(self.marks.count):
            note = self.marks.items[i].note
            if note == <PyObject *>_NOTHING:
                continue
            if at >= <size_t>len(self.candidates):
                break
            item = <tuple?>self.candidates[at]
            at += 1
            if len(item) == 3:
                found = <tuple?>item[2]
                Py_XINCREF(<PyObject *>found)
                self.marks.items[i].note = <PyObject *>found
                Py_XDECREF(note)
        return 0


cdef int _copy(const Marks *marks, Marks *out) except -1:
    if marks.count:
        out.items = <Mark *>malloc(marks.count * sizeof(Mark))
        if out.items is NULL:
            raise MemoryError
        memcpy(out.items, marks.items, marks.count * sizeof(Mark))
        out.count = out.room = marks.count
    return 0


cdef struct Head:
    size_t at
    size_t size
    const char *text


cdef class Reader:
    """Reads entries of a pack, as `Pack.walk` orders them or a slice of that.

    `fill` gives a text; `anchors` and `forms` want to be told what is found in it; then `settle` gives one object after
    the other, until there is none and the next text may be asked for. `near`, `far` and `margins` say what a candidate
    hangs on (see `open_windows` and `surround`), `heads` which beginnings are worth a look: bytes at an offset, or a zero
    byte among the first `probe` ones, or so many bytes as `sizes` allow, from the least to the most. `memo` has what was found out about candidates by their rule, how far into the
    part that decides they end, and that part. Entries that `skip` flags are not looked at. Where there are `marks`, the
    size of each other one that was read is noted there by its number, and one is added, to tell an empty object from none.

    `count` and `size` tell how much was read that `settle` did not give, `failed` what could not be read.
    """

    cdef readonly Hits anchors, forms
    cdef readonly size_t count, size
    cdef readonly list failed
    cdef Pack _pack
    cdef const int32_t[::1] _order
    cdef const uint8_t[::1] _skip
    cdef uint32_t[::1] _marked
    cdef const uint32_t[::1] _left, _right
    cdef const uint8_t[::1] _alone
    cdef Margins _margins
    cdef size_t _near, _far, _probe, _least, _most, _next, _settled, _held_bytes
    cdef tuple _head_texts
    cdef Head *_heads
    cdef size_t _head_count
    cdef list _path, _items
    cdef dict _memo
    cdef Version _given
    cdef Copied _copied
    cdef Window *_windows
    cdef size_t _window_count, _window_room
    cdef uint8_t *_text
    cdef size_t _text_size, _text_room
    cdef size_t _next_anchor, _next_form
    cdef Marks _carried, _marks, _runs

    def __cinit__(self, Pack pack not None, const int32_t[::1] order not None, size_t near, size_t far, margins,
                  tuple heads=(), size_t probe=0, dict memo=None, const uint8_t[::1] skip=None, uint32_t[::1] marks=None,
                  sizes=(1, 0)):
        cdef size_t i
        self._pack, self._order, self._skip, self._marked = pack, order, skip, marks
        cdef Head *head
        cdef bytes text
        self._near, self._far, self._probe = near, far, probe
        self._least, self._most = sizes
        self._left, self._right, self._alone = margins
        self._margins.rules = <size_t>min(self._left.shape[0], self._right.shape[0], self._alone.shape[0])
        if self._margins.rules:
            self._margins.left, self._margins.right, self._margins.alone = &self._left[0], &self._right[0], &self._alone[0]
        if skip is not None and <size_t>skip.shape[0] != pack.count:
            raise ValueError("flags of another pack")
        if marks is not None and <size_t>marks.shape[0] != pack.count:
            raise ValueError("marks of another pack")
        self._head_texts = heads
        self._heads = <Head *>malloc((len(heads) + 1) * sizeof(Head))
        if self._heads is NULL:
            raise MemoryError
        for at, text in heads:
            head = &self._heads[self._head_count]
            head.at, head.size, head.text = at, <size_t>len(text), PyBytes_AS_STRING(text)
            self._head_count += 1
        for i in range(<size_t>order.shape[0]):
            # What leads to nothing may lead in a circle.
            if order[i] < 0 or <size_t>order[i] >= pack.count or pack._entries[order[i]].kind == 0:
                raise ValueError("a walk through another pack")
        self.anchors, self.forms = Hits(), Hits()
        self.failed, self._memo = [], memo
        self._path, self._items = [], []

    def __dealloc__(self):
        free(self._heads)
        free(self._copied.items)
        free(self._windows)
        free(self._text)
        free(self._carried.items)
        free(self._marks.items)
        free(self._runs.items)

    def fill(self):
        """Read on, and return what there is to look at; None at the end."""
        if self._settled < <size_t>len(self._items):
            raise ValueError("the last text is not settled")
        self._items.clear()
        self._settled = self._held_bytes = self._text_size = self._window_count = self._copied.count = 0
        self._next_anchor = self._next_form = self.anchors.marks.count = self.forms.marks.count = 0
        self.count = self.size = 0
        if self._next == 0 and self._order.shape[0]:
            self._go_to(self._order[0])
        while self._next < <size_t>self._order.shape[0] and (
                self._held_bytes < _MOST_HELD and self._text_size < _MOST_TEXT):
            self._next += 1
            self._take(self._order[self._next - 1])
        if not self._items and self._next >= <size_t>self._order.shape[0]:
            return None
        return PyBytes_FromStringAndSize(<char *>self._text, <Py_ssize_t>self._text_size)

    def contents(self):
        """Return id and content of all objects of the last text, looked at or not yet."""
        return [(self._pack.name((<Version>item).number), (<Version>item).data) for item in self._items]

    cdef int _go_to(self, int32_t number) except -1:
        """Make what an entry is made of, where a walk goes on from there."""
        cdef list bases = []
        cdef int32_t base = self._pack._entries[number].base
        while base >= 0:
            bases.append(base)
            base = self._pack._entries[base].base
        while bases:
            self._make(bases.pop())
            self._copied.count = 0
        return 0

    cdef Version _make(self, int32_t number):
        """Return an entry's content, and hold it where others are made of it; None where it cannot be read."""
        cdef Entry *entry = &self._pack._entries[number]
        cdef Version base = None
        cdef Version version
        cdef size_t held
        if entry.base >= 0:
            # Whatever else was held has gone with the last of its children, so the base is the last one that is held.
            held = <size_t>len(self._path)
            if not held or (<Version>self._path[held - 1]).number != entry.base:
                return None
            base = <Version>(self._path.pop() if entry.last else self._path[held - 1])
        version = Version.__new__(Version)
        version.number, version.copy = number, self._copied.count
        try:
            version.data = self._pack.content(<size_t>number, base.data if base is not None else None, &self._copied)
        except (ValueError, MemoryError):
            return None
        version.copies = self._copied.count - version.copy
        version.base = base
        if entry.parent:
            self._path.append(version)
        return version

    cdef int _take(self, int32_t number) except -1:
        """Read an entry; where it has to be looked at, add to the text what is new in it."""
        cdef Version version = self._make(number)
        cdef bint skipped = self._skip is not None and self._skip[number]
        if version is None:
            # The object is large or damaged, or its base is: git knows, or knows another copy.
            if not skipped:
                self.failed.append(self._pack.name(<size_t>number))
            return 0
        if skipped:
            version.base = None
            self._copied.count = version.copy
            return 0
        if self._marked is not None:
            self._marked[number] = <uint32_t>PyBytes_GET_SIZE(version.data) + 1
        version.looked_at = True
        version.odd = self._is_odd(version.data)
        self._gather(version)
        self._held_bytes += <size_t>PyBytes_GET_SIZE(version.data)
        self._items.append(version)
        return 0

    cdef bint _is_odd(self, bytes data) noexcept:
        cdef size_t size = <size_t>PyBytes_GET_SIZE(data), i
        cdef const char *text = PyBytes_AS_STRING(data)
        cdef const Head *head
        if self._least <= size <= self._most or memchr(text, 0, min(size, self._probe)) is not NULL:
            return True
        for i in range(self._head_count):
            head = &self._heads[i]
            if head.at <= size and head.size <= size - head.at and memcmp(text + head.at, head.text, head.size) == 0:
                return True
        return False

    cdef int _gather(self, Version version) except -1:
        """Add to the text what has to be looked at, where one window is the whole if most of it is new."""
        cdef const char *text = PyBytes_AS_STRING(version.data)
        cdef size_t size = <size_t>PyBytes_GET_SIZE(version.data), total = 0, i
        cdef Change change
        cdef Window *window
        # Windows do not overlap, and but for the first and the last one each has `near` bytes before what is new.
        self._make_room(min(version.copies + 2, size // (self._near + 1) + 3))
        version.window = self._window_count
        window = &self._windows[self._window_count]
        if version.base is not None and version.base.looked_at:
            change = self._change(version)
            version.windows = open_windows(&change, text, self._near, self._far, window)
            for i in range(version.windows):
                total += window[i].stop - window[i].start
        else:
            version.base, version.copies = None, 0
        if version.base is None or total > size - size // 4:
            version.windows = 1
            window.start, window.stop, window.first, window.final = 0, size, 0, size
            total = size
        self._copied.count = version.copy + version.copies
        self._window_count += version.windows
        self._make_text_room(total + 1)
        for i in range(version.windows):
            memcpy(self._text + self._text_size, text + window[i].start, window[i].stop - window[i].start)
            window[i].at = self._text_size
            self._text_size += window[i].stop - window[i].start
        # No word and no rule's reach goes over this that does not go over the end of content.
        self._text[self._text_size] = 10
        self._text_size += 1
        return 0

    cdef Change _change(self, Version version):
        cdef Change change
        change.copies, change.count = self._copied.items + version.copy, version.copies
        change.base = PyBytes_AS_STRING(version.base.data)
        change.base_size = <size_t>PyBytes_GET_SIZE(version.base.data)
        change.size = <size_t>PyBytes_GET_SIZE(version.data)
        return change

    cdef int _make_room(self, size_t more) except -1:
        cdef Window *room
        if self._window_room - self._window_count < more:
            room = <Window *>realloc(self._windows, 2 * (self._window_room + more) * sizeof(Window))
            if room is NULL:
                raise MemoryError
            self._windows, self._window_room = room, 2 * (self._window_room + more)
        return 0

    cdef int _make_text_room(self, size_t more) except -1:
        cdef uint8_t *room
        if self._text_room - self._text_size < more:
            room = <uint8_t *>realloc(self._text, 2 * (self._text_room + more))
            if room is NULL:
                raise MemoryError
            self._text, self._text_room = room, 2 * (self._text_room + more)
        return 0

    def settle(self):
        """Return id and content of the next object that has something to look at, None where there is none left.

        What was found out about the last one is taken in.
        """
        cdef Version version
        cdef bint parent
        if self._given is not None:
            self._given.learn()
            self._given = None
        elif self._settled == 0:
            self.anchors.sort()
            self.forms.sort()
        while self._settled < <size_t>len(self._items):
            version = <Version>self._items[self._settled]
            self._settled += 1
            self._sum_up(version)
            self._remember(version.data)
            parent = self._pack._entries[version.number].parent
            if parent:
                version.keep(&self._marks, &self._runs)
            version.base = None
            if version.odd or self._runs.count or self._has_news():
                version.candidates, version.forms = self._listed()
                if parent:
                    self._given = version
                return self._pack.name(<size_t>version.number), version
            self.count += 1
            self.size += <size_t>PyBytes_GET_SIZE(version.data)
        return None

    cdef int _sum_up(self, Version version) except -1:
        """Put the candidates of a version together: those that were found, and those of its base's that were copied."""
        cdef Change change
        cdef const Window *windows = self._windows + version.window
        self._carried.count = self._marks.count = self._runs.count = 0
        if version.copies:
            change = self._change(version)
            carry(&change, &version.base.marks, windows, version.windows, &self._margins, &self._carried)
        choose(&self.anchors.marks, &self._next_anchor, windows, version.windows, &self._carried, &self._marks)
        self._carried.count = 0
        if version.copies:
            carry(&change, &version.base.runs, windows, version.windows, &self._margins, &self._carried)
        choose(&self.forms.marks, &self._next_form, windows, version.windows, &self._carried, &self._runs)
        return 0

    cdef int _remember(self, bytes data) except -1:
        """Take over what was found out about the same bytes elsewhere."""
        cdef const char *text = PyBytes_AS_STRING(data)
        cdef size_t i, begin, stop
        cdef Mark *mark
        for i in range(self._marks.count if self._memo is not None else 0):
            mark = &self._marks.items[i]
            if mark.note is NULL and mark.rule < self._margins.rules:
                surround(text, <size_t>PyBytes_GET_SIZE(data), mark, &self._margins, &begin, &stop)
                if stop - begin <= _MOST_REMEMBERED:
                    # Not lent to anybody: a version that is kept takes its own.
                    mark.note = PyDict_GetItemWithError(self._memo, (mark.rule, mark.end - begin, data[begin:stop]))
        return 0

    cdef bint _has_news(self) noexcept:
        """Whether there is a candidate that is not known to lead nowhere."""
        cdef size_t i
        for i in range(self._marks.count):
            if self._marks.items[i].note != <PyObject *>_NOTHING:
                return True
        return False

    cdef tuple _listed(self):
        cdef size_t i
        cdef Mark *mark
        candidates, forms = [], []
        for i in range(self._marks.count):
            mark = &self._marks.items[i]
            if mark.note is NULL:
                candidates.append((mark.end, mark.rule))
            elif mark.note != <PyObject *>_NOTHING:
                candidates.append((mark.end, mark.rule, <object>mark.note))
        for i in range(self._runs.count):
            forms.append((self._runs.items[i].end, self._runs.items[i].rule))
        return candidates, forms
