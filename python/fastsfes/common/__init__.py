"""The ground: errors, files, options, arguments, reading. Imports nothing of ours."""
