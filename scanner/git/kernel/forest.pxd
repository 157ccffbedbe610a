# SPDX-License-Identifier: Apache-2.0

from cpython cimport array
from libc.stdint cimport uint8_t

from scanner.git.kernel.entry cimport Entry


cdef int tell_kinds(Entry *entries, size_t count) except -1
cdef array.array walk(Entry *entries, size_t count, int kind, const uint8_t[::1] skip)
