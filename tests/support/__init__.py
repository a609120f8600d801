"""What several test files share: planted faults, small corpora, plain counterparts."""
