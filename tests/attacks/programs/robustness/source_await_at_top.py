# group: robustness
# problem: add
# verdict: compile_error
# must not: run because it was wrapped in a coroutine
# --- program ---
async def add(a, b):
    return a + b

await add(1, 2)
