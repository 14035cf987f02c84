"""Images: references, the registry client, and the content-addressed store of unpacked layers."""
