"""OCI containers through conmon and runc or crun, with images from any registry."""
