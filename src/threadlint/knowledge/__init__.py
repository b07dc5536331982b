"""What is known of other people's code: tables, no logic."""
