"""What runs a container: the port, its contract, and one package per runtime."""
