"""The broker's side: session, market data, accounts; everything that speaks to Tastytrade."""
