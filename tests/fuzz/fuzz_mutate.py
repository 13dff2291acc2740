"""Mutations of honest inputs: the same input for the same seed and number, so that a crash can be made again."""

from __future__ import annotations

import random

TOKENS = [
    *(b"nan inf -inf 1e999 -1e-999 1e308 0x1p5 9999999999999999999999 -1 0 1 2147483648 4294967295 1/0".split()),
    *(b"../ /etc/passwd .. \\ // ~ $HOME `id` ; , = : { } [ ] ( ) \" ' # % $ \\u0000 \\ud800 true false null".split()),
    *(b"x2 w rho_a sigma tau u( pbe_c( select( exp( ** * / + - fma( c0 x.c css cos one hybrid.omega".split()),
    b"\x00",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\n",
    b"\r\n",
    b"\t",
    "\u2028".encode(),
    b"[" * 5000,
    b"(" * 500,
    b"-" * 3000,
    b"9" * 6000,
    b"a" * 3000,
    b'{"a":' * 2000,
    b"import os",
    b"__class__",
]


def mutate(seeds: list[bytes], seed: int, number: int) -> bytes:
    """Input `number`: an honest one after one to eight changes."""
    rng = random.Random(seed * 1_000_003 + number)
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(9)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[min(at, len(data) - 1)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            token = rng.choice(TOKENS)
            data[at : at + len(token)] = token
        elif kind == 4:
            del data[at : at + rng.choice((1, 2, 4, 8, 64, len(data) // 4 + 1))]
        elif kind == 5:
            length = rng.choice((1, 4, 16, 64))
            data[at:at] = data[at : at + length] * rng.choice((1, 2, 20))
        elif kind == 6 and data:
            other = rng.choice(seeds)
            begin = rng.randrange(len(other) + 1)
            data[at:at] = other[begin : begin + rng.choice((4, 16, 128, 1024))]
        elif kind == 7:
            del data[at:]
        else:
            width = rng.choice((2, 4, 8))
            value = rng.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, rng.getrandbits(64)))
            data[at : at + width] = (value % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(data)
