"""Read a legacy (pre-zip) PyTorch weights file with numpy alone.

The file is a row of pickles (magic number, protocol, system, the tensors' descriptions, the storages' keys)
followed by the raw storages. A tensor is a view on its storage: shape AND strides. Weights that were converted
from TensorFlow keep their old order in memory, so a reader that ignores the strides gets shuffled numbers of the
right shape and a network that says the same of every picture.
"""

import pickle
import struct
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _View:
    def __init__(self, storage, offset, shape, strides, *_):
        self.key, self.offset, self.shape, self.strides = storage, offset, shape, strides


class _Unpickler(pickle.Unpickler):
    """Builds nothing but tensors' descriptions: a pickle may not call anything else."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _View
        if module == "torch" and name in DTYPES:
            return name
        raise pickle.UnpicklingError(f"weights file asks for {module}.{name}, which weights do not need")

    def persistent_load(self, pid):
        kind, dtype, key, _device, size, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"weights file has a storage this reader does not know: {pid}")
        self.storages[key] = (DTYPES[dtype], size)
        return key


def read(path):
    """Name -> array, each in its own shape and C order."""
    with open(path, "rb") as file:
        if pickle.load(file) != MAGIC:
            raise ValueError(f"{path} is not a legacy PyTorch file")
        pickle.load(file), pickle.load(file)
        unpickler = _Unpickler(file)
        unpickler.storages = {}
        views = unpickler.load()
        data = {}
        for key in pickle.load(file):
            dtype, size = unpickler.storages[key]
            (count,) = struct.unpack("<q", file.read(8))
            if count != size:
                raise ValueError(f"{path}: storage {key} has {count} elements, expected {size}")
            data[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype, size)
    return {name: _array(view, data[view.key]) for name, view in views.items()}


def _array(view, storage):
    reach = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides))
    if view.offset < 0 or min(view.strides, default=0) < 0 or reach >= len(storage):
        raise ValueError("a tensor reaches outside its storage")
    strides = [s * storage.itemsize for s in view.strides]
    view = np.lib.stride_tricks.as_strided(storage[view.offset:], view.shape, strides, writeable=False)
    return np.ascontiguousarray(view)
