"""The command line. Imports only what the chosen job needs, so that --version and --help are quick."""
