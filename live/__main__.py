"""`python -m livestyle`."""

from livestyle.cli.main import main

if __name__ == "__main__":
    main()
