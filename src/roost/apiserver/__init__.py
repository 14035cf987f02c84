"""Request, authenticate, authorise, admit, commit, answer; and watch. No sockets."""
