"""The jail in which untrusted programs run.

    Grader (any process) -- supervisor (one per worker; holds the tests) -- zygote (in the jail; blind) -- program

`jail` starts zygotes at a level, `levels` finds out by attack which levels work, `runner` runs single processes under
limits, `judge` reads verdicts from what they left, and `inside` is all that the jail can see of this package.

Promised at L2 and L3: a program reaches no other process, no network and no file but the interpreter's, can write
nothing, leaves nothing behind, and cannot forge a verdict or a sandbox_error. At L2 names and sizes of files can be
seen. Not promised: bugs of the kernel, timing channels, and programs that need subprocesses, sockets or /proc.
"""
