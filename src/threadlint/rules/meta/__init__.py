"""What is said about the use of threadlint itself."""
