"""Several processes, or a thread beside one; and their memory."""
