"""Frozen vision encoders behind one interface (`base.Backbone`), and finding or downloading their weights."""
