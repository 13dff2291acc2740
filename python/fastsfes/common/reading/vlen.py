"""Texts of variable length in HDF5 files, checked before HDF5 reads them.

Such a text is stored as its length and as the place of an object in a global heap. HDF5 believes all of it: it takes as
much memory as the length says (4 GB in the worst case), before 2.0 it copies the whole object into that memory (an
object longer than the length overwrites what is behind), it goes to an object that is not there, and never comes back
from a heap whose objects do not end. Layout: HDF5 file format specification 3.0, III.E (heaps) and IV.A (headers).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from h5py import h5d, h5i, h5o

__all__ = ["check_attributes", "check_values"]

_REFERENCE = struct.Struct("<IQI")
"""Length of the text, address of the heap, number of the object in it."""

_CONTINUATION, _ATTRIBUTE = 0x10, 0x0C
_SHARED = 2


class _Heaps:
    """Lengths of the objects in the heaps of one file. No heap is read twice, and heaps do not overlap, so that a small
    file cannot ask for much work."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = Lock()
        self._lengths: dict[int, dict[int, int]] = {}

    def length(self, handle: int, address: int, index: int) -> int:
        """Bytes of an object; -1 where there is none."""
        with self._lock:
            if address not in self._lengths:
                self._lengths[address] = self._walk(handle, address)
        return self._lengths[address].get(index, -1)

    def _walk(self, handle: int, address: int) -> dict[int, int]:
        head = _pread(handle, 16, address)
        end = int.from_bytes(head[8:16], "little")
        if head[:5] != b"GCOL\x01" or not 4096 <= end <= self._left:
            raise OSError(f"the heap at byte {address} is damaged")
        self._left -= end
        data = _pread(handle, end, address)
        lengths: dict[int, int] = {}
        place = 16
        while place + 16 <= end:
            index, length = struct.unpack_from("<H6xQ", data, place)
            needed = 16 + (length + 7) // 8 * 8 if index > 0 else length
            if needed < 16 or place + needed > end or index in lengths:
                raise OSError(f"the heap at byte {address} is damaged")
            lengths[index] = length
            place += needed
        lengths.pop(0, None)  # what is free
        return lengths


def check_attributes(group: Any, counts: Mapping[bytes, int]) -> None:
    """Check the texts of variable length among the attributes of a group or dataset.

    Args:
        group: the group or dataset.
        counts: names of the attributes that hold such texts, and how many each holds.

    Raises:
        OSError, RuntimeError: when a text is damaged, or is not where h5py writes it.
    """
    handle, heaps = _heaps(group.id)
    found = 0
    for flags, data in _attribute_messages(handle, h5o.get_info(group.id).addr):
        if flags & _SHARED or len(data) < 9:
            raise RuntimeError("an attribute is stored elsewhere, which is not followed")
        sizes = struct.unpack_from("<HHH", data, 2)
        at = 9 if data[0] == 3 else 8
        name = data[at : at + sizes[0]].split(b"\0")[0]
        if name in counts:
            at += sum((size + 7) // 8 * 8 if data[0] == 1 else size for size in sizes)
            _check(handle, heaps, data[at : at + counts[name] * _REFERENCE.size], counts[name], f"attribute {name!r}")
            found += 1
    if found != len(counts):
        raise RuntimeError("attributes are stored in a way that is not read here")


def check_values(dataset: h5d.DatasetID, count: int, where: str) -> None:
    """Check a dataset of so many texts of variable length.

    Raises:
        OSError, RuntimeError: when a text is damaged, or the dataset is not stored in one piece, as h5py does.
    """
    handle, heaps = _heaps(dataset)
    offset, stored = dataset.get_offset(), dataset.get_storage_size()
    if offset is None or stored != count * _REFERENCE.size:
        raise RuntimeError(f"{where} is stored in a way that is not read here")
    _check(handle, heaps, _pread(handle, stored, offset), count, where)


def _check(handle: int, heaps: _Heaps, references: bytes, count: int, where: str) -> None:
    if len(references) != count * _REFERENCE.size:
        raise OSError(f"{where} is damaged")
    for length, address, index in _REFERENCE.iter_unpack(references):
        if address and length != heaps.length(handle, address, index):  # 0 is the address of an empty text
            raise OSError(f"{where} is damaged: the length of a text is not that of its object")


def _attribute_messages(handle: int, address: int) -> Iterator[tuple[int, bytes]]:
    """Flags and content of the attribute messages in an object header, of version 1 or 2."""
    head = os.pread(handle, 64, address)
    if head[:4] == b"OHDR":
        flags = head[5]
        at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        parts = [(address + at + width, int.from_bytes(head[at : at + width], "little"))]
        layout, extra, before, behind = struct.Struct("<BHB"), 2 if flags & 4 else 0, 4, 4
    else:
        parts = [(address + 16, int.from_bytes(head[8:12], "little"))]
        layout, extra, before, behind = struct.Struct("<HHB"), 3, 0, 0
    left = os.fstat(handle).st_size
    for start, length in parts:  # grows
        left -= length
        if left < 0:
            raise OSError(f"the header at byte {address} is damaged")
        data = _pread(handle, length, start)
        at = 0
        while at + layout.size + extra <= length:
            kind, size, flags = layout.unpack_from(data, at)
            at += layout.size + extra
            message = data[at : at + size]
            at += size
            if kind == _CONTINUATION and size >= 16:
                where, many = struct.unpack_from("<QQ", message)
                parts.append((where + before, many - before - behind))
            elif kind == _ATTRIBUTE:
                yield flags, message


def _pread(handle: int, length: int, offset: int) -> bytes:
    if not 0 <= length <= os.fstat(handle).st_size - offset:
        raise OSError(f"the address {offset} is damaged")
    return os.pread(handle, length, offset)


def _heaps(thing: Any) -> tuple[int, _Heaps]:
    """The file's handle, and what is known of its heaps."""
    file = h5i.get_file_id(thing)
    handle = file.get_vfd_handle()
    status = os.fstat(handle)
    properties = file.get_create_plist()
    if properties.get_sizes() != (8, 8) or properties.get_userblock() != 0:
        raise RuntimeError("the file has addresses that are not read here")
    return handle, _kept(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16)
def _kept(device: int, inode: int, changed: int, size: int) -> _Heaps:
    return _Heaps(size)
