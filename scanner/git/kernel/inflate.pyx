# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# SPDX-License-Identifier: Apache-2.0
"""Inflating (RFC 1950): by libdeflate, in half the time, where the kernel was built with it or `deflate` is installed.

What that refuses, and everything where it is not there, is zlib's.
"""

from cpython.buffer cimport PyBUF_READ
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

cdef extern from "zlib.h" nogil:
    int inflateInit(z_stream *stream)
    int inflateReset(z_stream *stream)
    int inflateEnd(z_stream *stream)
    int inflate(z_stream *stream, int flush)
    int Z_OK
    int Z_FINISH
    int Z_STREAM_END

cdef extern from *:
    libdeflate_decompressor *libdeflate_alloc_decompressor() nogil
    void libdeflate_free_decompressor(libdeflate_decompressor *decompressor) nogil
    int libdeflate_zlib_decompress(libdeflate_decompressor *decompressor, const void *data, size_t room, void *out,
                                   size_t size, size_t *actual) nogil

try:
    from deflate import zlib_decompress as _fast_call
except ImportError:
    _fast_call = None


# Less than this zlib inflates sooner than a call is made.
cdef size_t _WORTH_A_CALL = 1000


cdef class Inflater:
    """Inflates one piece of data after the other."""

    def __cinit__(self):
        if inflateInit(&self._stream) != Z_OK:
            raise MemoryError
        self._ready = True
        self._fast = libdeflate_alloc_decompressor()

    def __dealloc__(self):
        if self._ready:
            inflateEnd(&self._stream)
        if self._fast is not NULL:
            libdeflate_free_decompressor(self._fast)

    cdef int run(self, const uint8_t *data, size_t room, uint8_t *out, size_t size) except -1:
        """Inflate what begins here to exactly this size."""
        cdef uint8_t nothing
        cdef size_t actual
        if self._fast is not NULL:
            if libdeflate_zlib_decompress(self._fast, data, room, out if size else &nothing, size, &actual) == 0 and (
                    actual == size):
                return 0
        elif _fast_call is not None and size >= _WORTH_A_CALL:
            try:
                found = _fast_call(PyMemoryView_FromMemory(<char *>data, <Py_ssize_t>room, PyBUF_READ), size)
            except Exception:
                found = None
            if type(found) is bytearray and <size_t>PyByteArray_GET_SIZE(found) == size:
                memcpy(out, PyByteArray_AS_STRING(found), size)
                return 0
        if inflateReset(&self._stream) != Z_OK:
            raise ValueError("zlib cannot start")
        self._stream.next_in = <uint8_t *>data
        self._stream.avail_in = <unsigned int>(room if room < 0x7fffffff else 0x7fffffff)
        self._stream.next_out = out if size else &nothing
        self._stream.avail_out = <unsigned int>size
        if inflate(&self._stream, Z_FINISH) != Z_STREAM_END or self._stream.avail_out:
            raise ValueError("data that cannot be inflated")
        return 0
