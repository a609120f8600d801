"""Videos to landmarks (the extra `video`): PyAV decodes, MediaPipe Holistic finds the points, offline."""
