# group: escape
# problem: add
# verdict: runtime_error
# must not: slip past a filter by 32-bit system calls from machine code
# --- program ---
import ctypes
import mmap
import platform

# mov eax, 359 (socket); mov ebx, 2; mov ecx, 1; xor edx, edx; int 0x80; ret, with rbx kept
CODE = bytes.fromhex("53b867010000bb02000000b90100000031d2cd805bc3")


def add(a, b):
    if platform.machine() != "x86_64":
        raise PermissionError("another processor")
    region = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    region.write(CODE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(region))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() < 0:
        raise PermissionError("no socket could be opened")
    return a + b
