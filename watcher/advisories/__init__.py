"""Advisories: what is known of vulnerable packages, kept in one file, and which packages of an image they are about."""
