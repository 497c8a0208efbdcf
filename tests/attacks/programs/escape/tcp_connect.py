# group: escape
# problem: add
# verdict: runtime_error
# must not: reach a listener on the machine
# --- program ---
import socket


def add(a, b):
    with socket.create_connection(("127.0.0.1", @TCP_PORT@), timeout=2) as connection:
        connection.sendall(b"hello")
    return a + b
