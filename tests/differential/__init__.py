"""The differential test: what users do to their rows, done to watched models and to models nobody watches."""
