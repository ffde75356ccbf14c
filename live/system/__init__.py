"""The operating system: processes, signals, paths and files, devices."""
