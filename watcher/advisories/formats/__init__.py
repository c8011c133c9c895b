"""What advisories are published as, one format a file. Pure: bytes in, records out."""
