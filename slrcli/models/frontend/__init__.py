"""What a network reads of a clip, written once."""
