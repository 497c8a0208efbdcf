# group: resource
# problem: add
# verdict: timeout
# must not: escape the CPU clock in threads that need no interpreter lock
# --- program ---
import hashlib
import threading


def burn():
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 50_000_000)


def add(a, b):
    threads = [threading.Thread(target=burn, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return a + b
