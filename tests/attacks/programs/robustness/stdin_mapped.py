# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because descriptor 0 is no file
# --- program ---
import mmap

with mmap.mmap(0, 0, access=mmap.ACCESS_READ) as text:
    print(text[:].decode().upper())
