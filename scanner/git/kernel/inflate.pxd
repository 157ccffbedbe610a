# SPDX-License-Identifier: Apache-2.0

from libc.stdint cimport uint8_t


cdef extern from "zlib.h" nogil:
    ctypedef struct z_stream:
        uint8_t *next_in
        unsigned int avail_in
        uint8_t *next_out
        unsigned int avail_out


cdef extern from *:
    """
    #ifdef SEALGATE_LIBDEFLATE
    #include <libdeflate.h>
    #else
    struct libdeflate_decompressor;
    #define libdeflate_alloc_decompressor() NULL
    #define libdeflate_free_decompressor(decompressor) ((void) (decompressor))
    #define libdeflate_zlib_decompress(decompressor, in, in_size, out, out_size, actual) 1
    #endif
    """
    cdef struct libdeflate_decompressor:
        pass


cdef class Inflater:
    cdef z_stream _stream
    cdef bint _ready
    cdef libdeflate_decompressor *_fast

    cdef int run(self, const uint8_t *data, size_t room, uint8_t *out, size_t size) except -1
