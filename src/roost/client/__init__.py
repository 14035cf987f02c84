"""The Client port and its HTTP form; the API server's core satisfies the same port."""
