"""The order of versions, one ecosystem's a file."""
