"""How fast livestyle is, beside others that do a part of it."""
