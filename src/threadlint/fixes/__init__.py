"""From findings to changed source: `kinds` make the changes, `rounds` tries them by linting again, `files` writes them."""
