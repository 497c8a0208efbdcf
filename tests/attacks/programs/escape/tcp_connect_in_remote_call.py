# group: escape
# problem: check_square
# verdict: runtime_error
# must not: reach a listener on the machine
# --- program ---
import socket


def square(n):
    with socket.create_connection(("127.0.0.1", @TCP_PORT@), timeout=2):
        return n * n
