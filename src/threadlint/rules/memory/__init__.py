"""Rules about memory and processes: thread-local storage, context variables, shared memory, processes and interpreters."""
