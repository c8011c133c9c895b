"""What a Dockerfile says that was given beside an image."""
