"""Readers of foreign formats: each module a pure function from what a file holds to drafts (`kinds` lists them)."""
