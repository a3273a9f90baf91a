"""The upstream half and the hub: session -> feed -> normalize -> events -> hub."""
