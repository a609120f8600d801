"""What `slr demo` does, and the signer that it invents."""
