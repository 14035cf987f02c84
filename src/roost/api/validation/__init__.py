"""What a kind's schema cannot say: rules between fields, with the causes of the real server."""
