"""People's signatures: what is signed, with which key, and whether it holds. Pure but for reading key files.

What is verified here rests on nothing but Ed25519 (RFC 8032) and the text that was signed, so whoever has the public
keys can do it without the archive.
"""
