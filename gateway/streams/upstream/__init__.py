"""The broker's side: session, market data, accounts; everything that speaks to Tastytrade."""

from gateway.streams.upstream.sdk_imports import import_sdk

# Here, because this runs before any module of the package can import the SDK by itself.
import_sdk()
