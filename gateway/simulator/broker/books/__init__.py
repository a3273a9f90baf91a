"""The customers' accounts: cash, positions, orders and what follows from them."""
