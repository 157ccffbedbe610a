# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""What is new in a content that was made of another one, and what is known of the rest.

The change that a delta makes is followed to the places where a candidate can be that the base has not.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy

from scanner.git.kernel.pack cimport Copies, Copy


cdef struct Window:
    size_t start      # what has to be looked at again ...
    size_t stop
    size_t first      # ... and the ends of candidates that are to be had from there, inclusive
    size_t final
    size_t at         # where the window stands in the gathered text


cdef class Delta(Copies):
    """How one version of a content was made of another, and where in it something new can be."""

    cdef Window *_windows
    cdef size_t _window_count

    def __dealloc__(self):
        free(self._windows)

    def gather(self, bytes data not None, size_t near, size_t far):
        """Return, one after the other, the parts of the result in which a candidate can be that the base has not.

        A candidate hangs on at most `near` bytes before its end and one behind it, or on `far` of them within its
        line. None where the parts are most of the result.
        """
        if <size_t>PyBytes_GET_SIZE(data) != self.size:
            raise ValueError("not the content that the delta made")
        cdef const char *text = PyBytes_AS_STRING(data)
        cdef size_t i, done = 0, total = 0
        cdef Window *window
        free(self._windows)
        self._window_count = 0
        self._windows = <Window *>malloc((self.count + 2) * sizeof(Window))
        if self._windows is NULL:
            raise MemoryError
        for i in range(self.count):
            if i or self.parts[i].at or self.parts[i].source:
                self._open(text, done, self.parts[i].at, near, far)
            done = self.parts[i].at + self.parts[i].size
        if done < self.size or self.count == 0 or (
                self.parts[self.count - 1].source + self.parts[self.count - 1].size != self.base_size):
            self._open(text, done, self.size, near, far)
        for i in range(self._window_count):
            self._windows[i].at = total
            total += self._windows[i].stop - self._windows[i].start
        if total > self.size - self.size // 4:
            return None
        gathered = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
        for i in range(self._window_count):
            window = &self._windows[i]
            memcpy(PyBytes_AS_STRING(gathered) + window.at, text + window.start, window.stop - window.start)
        return gathered

    cdef void _open(self, const char *text, size_t start, size_t stop, size_t near, size_t far) noexcept:
        """Add the window around a part that was not copied, which may be empty, or widen the last one to it."""
        cdef size_t size = self.size, first, final, line, bound
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
        for i in range(self.count if known else 0):
            copy = &self.parts[i]
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
