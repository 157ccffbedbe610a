# SPDX-License-Identifier: Apache-2.0
# Lines of a commit's header, as git writes them; any other commit is for `scanner/git/headers.py` to parse.

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memchr, memcmp


cdef inline bint unhex(const uint8_t *text, uint8_t *out, size_t size) noexcept:
    """Turn hex digits, in lower case, into so many bytes; False where there are others."""
    cdef size_t i
    cdef uint8_t digit, value = 0
    for i in range(2 * size):
        digit = text[i]
        if 48 <= digit <= 57:
            digit -= 48
        elif 97 <= digit <= 102:
            digit -= 87
        else:
            return False
        if i & 1:
            out[i >> 1] = (value << 4) | digit
        value = digit
    return True


cdef inline const uint8_t *signature(const uint8_t *at, const uint8_t *end, uint64_t *seconds) noexcept:
    """Return the next line if this one ends in a time and its zone, else NULL."""
    cdef const uint8_t *stop = <const uint8_t *>memchr(at, 10, <size_t>(end - at))
    cdef const uint8_t *digit
    cdef uint64_t value = 0, power = 1
    cdef int count = 0, i
    if stop is NULL or stop - at < 8:
        return NULL
    digit = stop - 6
    if digit[0] != 32 or (digit[1] != 43 and digit[1] != 45):
        return NULL
    for i in range(2, 6):
        if not 48 <= digit[i] <= 57:
            return NULL
    digit -= 1
    while digit >= at and 48 <= digit[0] <= 57 and count < 19:
        value += power * <uint64_t>(digit[0] - 48)
        power *= 10
        digit -= 1
        count += 1
    if count == 0 or digit < at or digit[0] != 32:
        return NULL
    seconds[0] = value
    return stop + 1


cdef inline bint is_rest_of_header(const uint8_t *at, const uint8_t *end) noexcept:
    """Return whether there is an empty line, and no parent before it."""
    while at < end:
        if at[0] == 10:
            return True
        if end - at >= 7 and memcmp(at, b"parent ", 7) == 0:
            return False
        at = <const uint8_t *>memchr(at, 10, <size_t>(end - at))
        if at is NULL:
            return False
        at += 1
    return False
