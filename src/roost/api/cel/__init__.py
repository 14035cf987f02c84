"""The Common Expression Language, as Kubernetes speaks it: parser, checker, evaluator, costs, and
the functions.

Pure, and without a compiled part: it must run in a browser too, tell what is wrong in the words of
the real server, and know the types of a schema and the costs of an expression before it is run.
`environment` is the entrance.
"""
