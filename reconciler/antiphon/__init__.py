"""Antiphon: two one-way Singer pipelines become one two-way sync."""
