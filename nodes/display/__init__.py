"""Shared by all nodes: candidates, contact sheets, previews, texts and validation."""
