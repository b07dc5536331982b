"""What all files say together: the linked facts, and the questions that rules ask.

How a race is found, in ten lines (a user's account is in docs/analysis.md):

1. `linker` joins the files by dotted names, and `mentions` says where a name stands at all; `types` says what a value can be (Andersen's points-to analysis, 1994, asked on demand as by Heintze
   and Tardieu, PLDI 2001): one object for each constructor call, attributes by class and name.
2. `thread_roots` and `framework_roots` list every place that runs a function on a thread, how many at once, and until when (join, result, `with`).
3. `flow` passes over each function once and keeps the lockset (Eraser, Savage and others, TOCS 1997): `with`, acquire and release, try-acquire, decorators.
4. `contexts` pushes (function, locks at entry, whose objects the parameters are) from all roots through the calls at once (top-down summaries
   after Reps, Horwitz and Sagiv, POPL 1995); roots are bits, contexts per function are few, so the pass is linear in the size of the program;
   `passing` finds what a call hands on once for each different answer.
5. `ownership` tells whose an object is (RacerD, Blackshear and others, OOPSLA 2018): made here, one for each thread, or shared; `__init__` owns `self`.
6. `sharing` groups the accesses by location and pairs an update with a write that may run in parallel, under disjoint locksets, and that
   no start, join, result, `with` or Event puts in order; the pair that is easiest to believe is reported, once for each location.
7. A value that can be anything, a call that cannot be resolved, a receiver that is not known: nothing is said.
"""
