# SPDX-License-Identifier: Apache-2.0

from cpython.ref cimport PyObject
from libc.stdint cimport uint8_t, uint32_t

from scanner.git.kernel.patch cimport Copy


# Part of a content that is looked at, and which ends of candidates are to be had from there, both inclusive.
cdef struct Window:
    size_t start
    size_t stop
    size_t first
    size_t final
    size_t at         # where it stands in the text that is looked at


# A candidate: where it ends, of which rule, and what is known of it: nothing (NULL), or what it leads to (a tuple).
cdef struct Mark:
    uint32_t end
    uint32_t rule
    PyObject *note


cdef struct Marks:
    Mark *items
    size_t count
    size_t room


# How a content was made of its base: the copied parts, in the order in which they stand in it.
cdef struct Change:
    const Copy *copies
    size_t count
    const char *base
    size_t base_size
    size_t size


# How many bytes before a candidate's end and behind it decide about it, by rule; `alone`: only those of its line, and
# the ends of lines at both sides.
cdef struct Margins:
    const uint32_t *left
    const uint32_t *right
    const uint8_t *alone
    size_t rules


cdef void surround(const char *text, size_t size, const Mark *mark, const Margins *margins, size_t *begin,
                   size_t *stop) noexcept
cdef int push(Marks *marks, size_t end, uint32_t rule, PyObject *note) except -1
cdef size_t open_windows(const Change *change, const char *text, size_t near, size_t far, Window *windows) noexcept
cdef int carry(const Change *change, const Marks *before, const Window *windows, size_t window_count,
               const Margins *margins, Marks *out) except -1
cdef int choose(const Marks *hits, size_t *next, const Window *windows, size_t window_count, const Marks *carried,
                Marks *out) except -1
