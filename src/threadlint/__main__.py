"""`python -m threadlint`, the same as `threadlint`."""

from threadlint.cli import main

if __name__ == "__main__":
    main()
