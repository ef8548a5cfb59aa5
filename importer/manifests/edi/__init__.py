"""EDI → raw rows and acknowledgments: bytes → segments → envelopes → lines, and answers to partners."""
