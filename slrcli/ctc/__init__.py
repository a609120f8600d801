"""Connectionist temporal classification: its paths in numpy alone (`paths`), its loss in torch (`loss`)."""
