"""A corpus recorded in front of a camera: sentences are prompted one by one, and the good takes of them are kept."""
