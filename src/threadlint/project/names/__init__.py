"""What names and values mean across files: the linked program, and what each value can be."""
