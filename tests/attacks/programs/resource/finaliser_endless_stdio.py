# group: resource
# problem: sum_two
# verdict: timeout | passed
# must not: hang the worker at interpreter exit
# why open: the output is right and complete; whether finalisers of live objects run at exit is left open
# --- program ---
import time


class Clinger:
    def __del__(self, clock=time.monotonic):
        end = clock() + 60
        while clock() < end:
            pass


clinger = Clinger()
a, b = map(int, input().split())
print(a + b)
