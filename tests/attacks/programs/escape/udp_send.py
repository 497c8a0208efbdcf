# group: escape
# problem: add
# verdict: runtime_error
# must not: send a datagram
# --- program ---
import socket


def add(a, b):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"hello", ("127.0.0.1", @UDP_PORT@))
    return a + b
