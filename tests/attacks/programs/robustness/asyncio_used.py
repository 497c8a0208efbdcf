# group: robustness
# problem: sum_two
# verdict: passed | runtime_error
# must not: leave anything behind
# why open: asyncio wakes itself through a pair of sockets, and sockets are not promised to a program
# --- program ---
import asyncio


async def main():
    await asyncio.sleep(0)
    print(sum(map(int, input().split())))


asyncio.run(main())
