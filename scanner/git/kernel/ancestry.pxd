# SPDX-License-Identifier: Apache-2.0
# Types for `ancestry.py`, which does without them where it is not compiled.

cimport cython

cdef unsigned int NONE
cdef int _KNOWN, _IS_TREE, _IS_COMMIT

@cython.locals(marks=cython.uchar[::1], found=list, here=Py_ssize_t, done=Py_ssize_t, at=Py_ssize_t, link=cython.uint)
cpdef list spread(object starts, cython.uint[::1] bounds, cython.uint[::1] links, bytearray reach, int level)

@cython.locals(parents=cython.uint[::1], flags=cython.uchar[::1], places=cython.uint[::1], found=cython.uint[::1],
               at=Py_ssize_t)
cpdef object links(object facts)

@cython.locals(roots=cython.uint[::1], parents=cython.uint[::1], bounds=cython.uint[::1], flags=cython.uchar[::1],
               found=list, commit=Py_ssize_t, at=Py_ssize_t)
cpdef list dangling(object facts)

@cython.locals(roots=cython.uint[::1], places=cython.uint[::1], flags=cython.uchar[::1], found=list, commit=Py_ssize_t,
               rank=Py_ssize_t, root=cython.uint)
cpdef list trees_of(object facts, object commits)

@cython.locals(times=cython.ulonglong[::1], commits=cython.uint[::1], order=list, start=Py_ssize_t, at=Py_ssize_t,
               one=Py_ssize_t, other=Py_ssize_t)
cpdef list by_age(object facts)

@cython.locals(levels=cython.uchar[::1], waiting=cython.uint[::1], first=cython.uint[::1], places=cython.uint[::1],
               following=cython.uint[::1], children=cython.uint[::1], order=list, ready=list, member=Py_ssize_t,
               at=cython.uint, link=cython.uint, child=cython.uint, i=Py_ssize_t, count=Py_ssize_t)
cpdef list arrange(list members, cython.uint[::1] bounds, cython.uint[::1] links, bytearray reach, list ages)
