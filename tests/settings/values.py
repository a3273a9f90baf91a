"""Values for each variable that are right."""

CANARY = "canary-8c1f"

GOOD = {
    "TT_SECRET": CANARY,
    "TT_REFRESH": CANARY,
    "TT_SECRET_FILE": "secret",
    "TT_REFRESH_FILE": "secret",
    "TT_TEST": "true",
    "TT_ACCOUNTS": " 5WX00001 ,5WY00002,",
    "SIMULATOR_REST": "http://127.0.0.1:1234/",
    "SIMULATOR_ACCOUNT_WS": "ws://localhost:1234/x",
    "HOST": "::1",
    "PORT": "0",
    "GATEWAY_TOKEN": "x" * 16,
    "GATEWAY_TOKEN_FILE": "secret",
    "REDIS_URL_FILE": "address",
    "GATEWAY_VIEWERS": "viewers.toml",
    "GATEWAY_LOGIN_IDLE_S": "1",
    "GATEWAY_LOGIN_LIFE_S": "1",
    "GATEWAY_ROOT_PATH": "/gateway/",
    "GATEWAY_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8,::1",
    "GATEWAY_ALLOWED_HOSTS": "a.example,b.example",
    "GATEWAY_LOG_LEVEL": "DEBUG",
    "GATEWAY_SYMBOLS": "spy,SPY{=5m,tho=true}",
    "GATEWAY_PAGES": "pages",
    "GATEWAY_MARKET": "open",
    "GATEWAY_AGGREGATION_S": "0",
    "GATEWAY_STALE_S": "5",
    "GATEWAY_REFRESH_S": "0",
    "GATEWAY_BALANCE_POLL_S": "1",
    "GATEWAY_LINGER_S": "0",
    "GATEWAY_TICK_MS": "0",
    "GATEWAY_HISTORY_EVENTS": "1024",
    "GATEWAY_HEARTBEAT_S": "50",
    "GATEWAY_MAX_STREAMS": "1",
    "GATEWAY_MAX_SYMBOLS": "25000",
    "GATEWAY_MAX_SYMBOLS_PER_STREAM": "1",
    "GATEWAY_MAX_SYMBOLS_PER_VIEWER": "1",
    "GATEWAY_MAX_STREAMS_PER_VIEWER": "1",
    "GATEWAY_MAX_CONNECTIONS": "1",
    "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS": "1",
    "GATEWAY_MAX_HEADER_BYTES": "1024",
    "GATEWAY_MAX_QUERY_BYTES": "256",
    "GATEWAY_MAX_BODY_BYTES": "1024",
    "GATEWAY_REQUEST_TIMEOUT_S": "0.1",
    "GATEWAY_KEEP_ALIVE_S": "0.1",
    "GATEWAY_SEND_TIMEOUT_S": "0.1",
    "GATEWAY_DRAIN_S": "0.1",
    "REDIS_URL": "rediss://user:word@cache.example:6380/1",
    "GATEWAY_LEASE_S": "1",
    "GATEWAY_STATE_DIR": "state",
    "DATABASE_URL": "postgresql://user:word@base.example/gateway",
    "DATABASE_URL_FILE": "database",
    "GATEWAY_KEYS": f"{'k' * 43}=,{'l' * 43}=",
    "GATEWAY_KEYS_FILE": "keys",
}

SECRET = "abcdef0123456789-abcdef"

AROUND = ["{}\n", "{}\r\n", " {}\t", "\ufeff{}", "{}\u00a0", "\u200b{}\u200b", '"{}"', "'{}'"]

AROUND += [
    "\u201c{}\u201d",
    "\u201e{}\u201c",
    "\u2018{}\u2019",
    "\u00ab{}\u00bb",
    '\ufeff "{}" \n',
    "`{}`",
]

"""What files, shells and people put around a value."""
