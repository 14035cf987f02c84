"""Validation: why an object is refused, every cause, in the order and the words of the real server.

`causes` collects them, `rules` joins what every kind shares with what one kind adds; the other modules
are the rules, one module per noun. Rules only read. What decoding guarantees (types of fields, known
fields, well-formed quantities and times) is not looked at again.
"""
