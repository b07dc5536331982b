"""From facts to findings: the files of a run in parts that have nothing to do with each other, each checked or remembered."""
