"""The only part of the API server that speaks HTTP and WebSocket."""
