"""What all files say together: the linked facts, and the questions that rules ask."""
