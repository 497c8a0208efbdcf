# group: robustness
# problem: reverse_list
# verdict: passed
# must not: fail because random cannot be seeded or has no source
# --- program ---
import os
import random
import secrets


def reverse_list(xs):
    random.seed()
    order = list(range(len(xs)))
    random.shuffle(order)
    os.urandom(8), secrets.token_hex(4), random.SystemRandom().random()
    return [xs[i] for i in sorted(order, reverse=True)]
