"""The keyring: the truth of the secrets. Wrapped keys, in files of bounded size, each rewritable."""
