# SPDX-License-Identifier: Apache-2.0
# Types for `ways.py`, which does without them where it is not compiled.

cimport cython

cdef unsigned int NONE
cdef int _KNOWN, _IS_TREE, _TREE_ENTRY, _SUBMODULE_ENTRY
cdef Py_ssize_t _CHUNK

@cython.locals(children=cython.uint[::1], kinds=cython.uchar[::1], flags=cython.uchar[::1], entry=Py_ssize_t)
cpdef list unknown(object facts)

@cython.locals(children=cython.uint[::1], kinds=cython.uchar[::1], flags=cython.uchar[::1], entry=Py_ssize_t)
cpdef bytearray wanted_entries(object facts, bytearray wanted, bint submodules)

@cython.locals(children=cython.uint[::1], kinds=cython.uchar[::1], places=cython.uint[::1], trees=cython.uint[::1],
               roots=cython.uint[::1], below=cython.uint[::1], entry=Py_ssize_t, commit=Py_ssize_t, tree=Py_ssize_t)
cpdef list tops(object facts)

@cython.locals(trees=cython.uint[::1], bounds=cython.uint[::1], changes=cython.uint[::1], added_in=cython.uint[::1],
               added=cython.uint[::1], heirs=cython.uint[::1], next_heirs=cython.uint[::1], naming=cython.uint[::1],
               next_naming=cython.uint[::1], marks=cython.uint[::1], counts=cython.uint[::1], waiting=cython.uint[::1],
               steps=cython.uint[::1], count=Py_ssize_t, used=Py_ssize_t, full=Py_ssize_t, left=Py_ssize_t,
               start=Py_ssize_t, entry=cython.uint, tree=cython.uint, name=cython.uint, heir=cython.uint, todo=list,
               carried=cython.uint[::1], times=Py_ssize_t, gone=Py_ssize_t, flags=cython.uchar[::1])
cpdef object climb(object facts, bytearray wanted, Py_ssize_t limit)

@cython.locals(start=Py_ssize_t, stop=Py_ssize_t, middle=Py_ssize_t)
cdef Py_ssize_t _count(cython.uint[::1] items, Py_ssize_t low, Py_ssize_t high, cython.uint wanted)

@cython.locals(bounds=cython.uint[::1], changes=cython.uint[::1], starts=cython.uint[::1], found=cython.uint[::1],
               count=Py_ssize_t, tree=Py_ssize_t, at=Py_ssize_t, entry=Py_ssize_t, step=Py_ssize_t, total=cython.uint)
cdef tuple _index_added(object facts)

@cython.locals(first=cython.uint[::1], following=cython.uint[::1], tree=Py_ssize_t, base=cython.uint)
cdef tuple _heirs(cython.uint[::1] bases)

@cython.locals(children=cython.uint[::1], kinds=cython.uchar[::1], flags=cython.uchar[::1], first=cython.uint[::1],
               following=cython.uint[::1], entry=Py_ssize_t, child=cython.uint)
cdef tuple _naming(object facts)

@cython.locals(bounds=cython.uint[::1], entries=cython.uint[::1], steps=cython.uint[::1], total=cython.uint,
               tree=Py_ssize_t, number=Py_ssize_t, at=Py_ssize_t)
cdef tuple _sorted_steps(list chunks, Py_ssize_t last, object counts)

@cython.locals(bounds=cython.uint[::1], entries=cython.uint[::1], children=cython.uint[::1], labels=cython.uint[::1],
               places=cython.uint[::1], entered=cython.uint[::1], told=cython.uint[::1], met=cython.uint[::1],
               met_as=cython.uint[::1], flags=cython.uchar[::1], again=set, told_again=set, directories=dict, path=list,
               lengths=list, sightings=list, tree=cython.uint, here=cython.uint, below=cython.uint, child=cython.uint,
               entry=cython.uint, at=Py_ssize_t)
cpdef object walk(object facts, object ways, object roots, Py_ssize_t limit, Py_ssize_t longest)

cdef bint _enters(cython.uint[::1] first, set again, cython.uint what, cython.uint directory, Py_ssize_t limit)
