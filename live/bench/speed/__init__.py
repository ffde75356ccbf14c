"""Speed of livestyle, compared with other programs that do part of the same work."""
