"""flashjit's C ABI through ctypes: the structs of flashjit/c_api.h and one class. Knows nothing of any framework."""
import ctypes
import pathlib

BACKENDS = {"auto": 0, "cuda": 1, "cpu": 2, "emulated": 3}
FAMILIES = {"auto": 0, "standard": 1, "simt": 2, "sm80": 3, "sm90": 4}
DTYPES = {"fp16": 0, "bf16": 1, "fp32": 2}


class FlashjitError(RuntimeError):
    """What flashjit_last_error_message() says, with the name of the status before it."""


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dtype", ctypes.c_int32), ("reserved", ctypes.c_int32),
                ("shape", ctypes.c_int64 * 4), ("strides", ctypes.c_int64 * 4)]


class Attention(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("q", Tensor), ("k", Tensor), ("v", Tensor), ("o", Tensor),
                ("causal", ctypes.c_int32), ("alignment", ctypes.c_int32), ("has_softmax_scale", ctypes.c_int32),
                ("softmax_scale", ctypes.c_float), ("lse", ctypes.c_void_p), ("workspace", ctypes.c_void_p),
                ("workspace_size", ctypes.c_size_t)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("backend", ctypes.c_int32), ("device", ctypes.c_int32),
                ("family", ctypes.c_int32), ("offline", ctypes.c_int32), ("cache_dir", ctypes.c_char_p),
                ("kernel_dir", ctypes.c_char_p), ("bundles", ctypes.c_char_p)]


class Variant(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char * 128), ("selected_by", ctypes.c_char * 64),
                ("cache_key", ctypes.c_char * 72),
                *((name, ctypes.c_int32) for name in ("origin", "registers", "spill_bytes", "stack_bytes",
                                                      "static_smem_bytes", "dynamic_smem_bytes", "threads", "reserved")),
                ("compile_ms", ctypes.c_double), ("load_ms", ctypes.c_double)]


def sized(struct_type, **fields):
    return struct_type(struct_size=ctypes.sizeof(struct_type), **fields)


def view(address: int, dtype: str, shape, strides) -> Tensor:
    """shape and strides of [batch, seqlen, heads, head_dim], in elements."""
    return Tensor(address, DTYPES[dtype], 0, (ctypes.c_int64 * 4)(*shape), (ctypes.c_int64 * 4)(*strides))


class Flashjit:
    """A flashjit_runtime. Calls raise FlashjitError; whoever makes the views keeps the memory alive."""

    def __init__(self, library: pathlib.Path, family: str = "auto", backend: str = "cuda"):
        self.library = ctypes.CDLL(str(library))
        self.library.flashjit_last_error_message.restype = ctypes.c_char_p
        self.library.flashjit_status_name.restype = ctypes.c_char_p
        self.library.flashjit_version.restype = ctypes.c_char_p
        self.library.flashjit_destroy.restype = None
        self.library.flashjit_forward.argtypes = [ctypes.c_void_p, ctypes.POINTER(Attention), ctypes.c_void_p]
        self.runtime = ctypes.c_void_p()
        options = sized(Options, backend=BACKENDS[backend], family=FAMILIES[family])
        self._check(self.library.flashjit_create(ctypes.byref(options), ctypes.byref(self.runtime)))

    def close(self) -> None:
        self.library.flashjit_destroy(self.runtime)
        self.runtime = ctypes.c_void_p()

    def version(self) -> str:
        return self.library.flashjit_version().decode()

    def prepare(self, attention: Attention) -> Variant:
        variant = sized(Variant)
        self._check(self.library.flashjit_prepare(self.runtime, ctypes.byref(attention), ctypes.byref(variant)))
        return variant

    def forward(self, attention: Attention, stream: int = 0) -> None:
        self._check(self.library.flashjit_forward(self.runtime, attention, stream))

    def _check(self, status: int) -> None:
        if status:
            name = self.library.flashjit_status_name(status).decode()
            raise FlashjitError(f"{name}: {self.library.flashjit_last_error_message().decode()}")
