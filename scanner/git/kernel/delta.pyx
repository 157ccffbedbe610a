# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""What is new in a content that was made of another one, and what is known of the rest.

The change that a delta makes is followed to the places where a candidate can be that the base has not.
"""

from cpython.ref cimport PyObject
from libc.stdint cimport uint32_t
from libc.stdlib cimport realloc
from libc.string cimport memchr

from scanner.git.kernel.patch cimport Copy

cdef extern from *:
    """
    static const char *last_newline(const char *text, size_t size)
    {
    #ifdef __GLIBC__
        return (const char *) memrchr(text, 10, size);
    #else
        while (size && text[size - 1] != 10)
            size--;
        return size ? text + size - 1 : NULL;
    #endif
    }
    """
    const char *last_newline(const char *text, size_t size) noexcept nogil


cdef size_t open_windows(const Change *change, const char *text, size_t near, size_t far, Window *windows) noexcept:
    """Tell the parts of the content in which a candidate can be that the base has not; return how many.

    A candidate hangs on at most `near` bytes before its end and one behind it, or on `far` of them within its line.
    There is room for one window more than there are copies, and one more than that.
    """
    cdef size_t i, done = 0, count = 0
    cdef const Copy *copy
    for i in range(change.count):
        copy = &change.copies[i]
        if i or copy.at or copy.source:
            count = _open(change.size, text, done, copy.at, near, far, windows, count)
        done = copy.at + copy.size
    if done < change.size or change.count == 0 or (
            change.copies[change.count - 1].source + change.copies[change.count - 1].size != change.base_size):
        count = _open(change.size, text, done, change.size, near, far, windows, count)
    return count


cdef size_t _open(size_t size, const char *text, size_t start, size_t stop, size_t near, size_t far, Window *windows,
                  size_t count) noexcept:
    """Add the window around a part that was not copied, which may be empty, or widen the last one to it."""
    cdef size_t first, final, line, bound
    cdef const char *found
    cdef Window *last
    # To the left: the beginning of the line, or where `far` ends, but `near` in any case.
    bound = start - far - 1 if start > far + 1 else 0
    found = last_newline(text + bound, start - bound)
    line = <size_t>(found - text) + 1 if found is not NULL else bound
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
    if count:
        last = &windows[count - 1]
        if first <= last.stop:
            last.final = final
            last.stop = final + 1 if final < size else size
            return count
    last = &windows[count]
    last.start, last.first, last.final = first, start, final
    last.stop = final + 1 if final < size else size
    return count + 1


cdef int push(Marks *marks, size_t end, uint32_t rule, PyObject *note) except -1:
    """Add a candidate to a list of them."""
    cdef Mark *room
    cdef Mark *mark
    if marks.count >= marks.room:
        room = <Mark *>realloc(marks.items, (2 * marks.room + 64) * sizeof(Mark))
        if room is NULL:
            raise MemoryError
        marks.items, marks.room = room, 2 * marks.room + 64
    mark = &marks.items[marks.count]
    mark.end, mark.rule, mark.note = <uint32_t>end, rule, note
    marks.count += 1
    return 0


cdef int carry(const Change *change, const Marks *before, const Window *windows, size_t window_count,
               const Margins *margins, Marks *out) except -1:
    """Add those candidates of the base's that stand in copied parts, in the order of their new places.

    What is known of one holds where all that decides about it is copied with it. In windows, whose candidates were
    looked for, only those count of which something is known.
    """
    cdef size_t i, end, low, high, middle, window = 0
    cdef const Copy *copy
    cdef const Mark *mark
    cdef PyObject *note
    for i in range(change.count if before.count else 0):
        copy = &change.copies[i]
        low, high = 0, before.count
        while low < high:
            middle = (low + high) >> 1
            if before.items[middle].end <= copy.source:
                low = middle + 1
            else:
                high = middle
        while low < before.count and before.items[low].end <= copy.source + copy.size:
            mark = &before.items[low]
            low += 1
            end = mark.end - copy.source + copy.at
            while window < window_count and windows[window].final < end:
                window += 1
            note = mark.note if mark.note is not NULL and _holds(change, copy, mark, margins) else NULL
            if note is not NULL or window >= window_count or end < windows[window].first:
                push(out, end, mark.rule, note)
    return 0


cdef bint _holds(const Change *change, const Copy *copy, const Mark *mark, const Margins *margins) noexcept:
    """Whether all that decides about a candidate is in the copied part."""
    cdef size_t begin, stop
    if mark.rule >= margins.rules:
        return False
    surround(change.base, change.base_size, mark, margins, &begin, &stop)
    # Where the content begins or ends decides too.
    return copy.source <= begin and stop <= copy.source + copy.size and (
        begin > 0 or copy.at == 0) and (stop < change.base_size or copy.at + copy.size == change.size)


cdef void surround(const char *text, size_t size, const Mark *mark, const Margins *margins, size_t *begin,
                   size_t *stop) noexcept:
    """Tell which part of a content decides about a candidate in it."""
    cdef size_t end = mark.end, first = 0
    cdef size_t right = margins.right[mark.rule]
    cdef const char *found
    if end > margins.left[mark.rule]:
        first = end - margins.left[mark.rule]
    if right > size - end:
        right = size - end
    stop[0] = end + right
    begin[0] = first
    if margins.alone[mark.rule]:
        found = last_newline(text + first, end - first)
        if found is not NULL:
            begin[0] = <size_t>(found - text)
        found = <const char *>memchr(text + end, 10, right)
        if found is not NULL:
            stop[0] = <size_t>(found - text) + 1


cdef int choose(const Marks *hits, size_t *next, const Window *windows, size_t window_count, const Marks *carried,
                Marks *out) except -1:
    """Add what was found in these windows of a text, from hit number `next` on, and what was carried, in order."""
    cdef size_t window, end, taken = 0
    cdef uint32_t rule
    cdef const Window *here
    cdef PyObject *note
    for window in range(window_count):
        here = &windows[window]
        while taken < carried.count and carried.items[taken].end < here.first:
            push(out, carried.items[taken].end, carried.items[taken].rule, carried.items[taken].note)
            taken += 1
        while next[0] < hits.count and hits.items[next[0]].end <= here.at + here.stop - here.start:
            end, rule, note = hits.items[next[0]].end, hits.items[next[0]].rule, NULL
            next[0] += 1
            if end <= here.at or not here.first <= end - here.at + here.start <= here.final:
                continue
            end = end - here.at + here.start
            while taken < carried.count and (carried.items[taken].end < end or
                                             carried.items[taken].end == end and carried.items[taken].rule < rule):
                taken += 1
            if taken < carried.count and carried.items[taken].end == end and carried.items[taken].rule == rule:
                note = carried.items[taken].note
            push(out, end, rule, note)
        while taken < carried.count and carried.items[taken].end <= here.final:
            taken += 1
    while taken < carried.count:
        push(out, carried.items[taken].end, carried.items[taken].rule, carried.items[taken].note)
        taken += 1
    return 0
