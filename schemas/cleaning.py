"""How a cell is cleaned before it is judged: what is taken off, and what is written in another way.

In a file with decimal commas a ROUND quantity, such as 2,0, is written without its own. The cell is trimmed
of white space. Then, where it is not all ASCII, what is INVISIBLE is taken out and, in the NARROWED columns,
spaces and every script's digits and full-width characters are written in ASCII. At last the ``="..."`` goes,
which keeps spreadsheet programs off.
"""

from typing import Final

NARROWED: Final = ("order_id", "quantity", "tracking_number", "notify")
INVISIBLE: Final = (
    "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # soft hyphen, of zero width, byte order mark
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # direction of writing
)
ASCII: Final = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)} | {"、": ","}
ROUND: Final = r"^(\s*\d+),00?(\s*)$"  # "1,000" is a thousand to others
WRAPPED: Final = r'^="((?:[^"]|"")*)"$'
