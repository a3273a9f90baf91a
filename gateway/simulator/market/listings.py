"""What is listed: shares with what they cost and how they move, and roots of options; pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """How the options of one root are listed."""

    underlying: str
    root: str
    step: float
    is_am: bool = False  # monthlies that settle on the opening
    multiplier: int = 100
    chain_type: str = "Standard"


CHAINS = (
    Series("SPY", "SPY", 5.0),
    Series("QQQ", "QQQ", 5.0),
    Series("IWM", "IWM", 2.5),
    Series("AAPL", "AAPL", 2.5),
    Series("NVDA", "NVDA", 2.5),
    Series("TSLA", "TSLA", 5.0),
    # What was left of older contracts by a three-for-two split: 150 shares each.
    Series("TSLA", "TSLA1", 20.0, multiplier=150, chain_type="Non-standard"),
    Series("SPX", "SPX", 100.0, is_am=True),
    Series("SPX", "SPXW", 25.0),
)
DAILIES = {"SPY", "QQQ", "SPXW"}
PENNY_ROOTS = {"SPY", "QQQ", "IWM"}

# symbol, price, volatility, beta, shares (millions), dividend yield, moves per second, kind, name
STOCKS = """
SPY 600.25 0.15 1.00 950 0.012 4 etf SPDR S&P 500 ETF Trust
QQQ 510.40 0.20 1.18 620 0.006 4 etf Invesco QQQ Trust
IWM 238.10 0.22 1.12 280 0.011 3 etf iShares Russell 2000 ETF
DIA 440.60 0.14 0.90 80 0.016 2 etf SPDR Dow Jones Industrial Average ETF
TLT 90.85 0.15 -0.10 560 0.039 2 etf iShares 20+ Year Treasury Bond ETF
GLD 246.30 0.15 0.05 300 0.000 2 etf SPDR Gold Shares
SLV 28.45 0.28 0.15 470 0.000 1 etf iShares Silver Trust
XLE 95.20 0.24 0.85 370 0.031 1 etf Energy Select Sector SPDR Fund
XLF 50.60 0.18 1.02 940 0.014 1 etf Financial Select Sector SPDR Fund
XLK 235.70 0.23 1.20 300 0.007 1 etf Technology Select Sector SPDR Fund
SMH 247.90 0.34 1.45 90 0.004 1 etf VanEck Semiconductor ETF
EEM 43.60 0.18 0.75 400 0.024 1 etf iShares MSCI Emerging Markets ETF
HYG 79.40 0.06 0.35 200 0.058 1 etf iShares iBoxx High Yield Corporate Bond ETF
AAPL 229.85 0.24 1.15 15100 0.004 3 stock Apple Inc.
MSFT 417.00 0.22 0.95 7430 0.007 3 stock Microsoft Corporation
NVDA 141.95 0.45 1.85 24500 0.001 4 stock NVIDIA Corporation
TSLA 352.55 0.58 2.10 3210 0.000 4 stock Tesla, Inc.
AMD 138.35 0.44 1.75 1620 0.000 3 stock Advanced Micro Devices, Inc.
AMZN 197.10 0.30 1.20 10500 0.000 3 stock Amazon.com, Inc.
GOOGL 164.75 0.28 1.05 5860 0.005 3 stock Alphabet Inc.
META 559.15 0.33 1.22 2180 0.003 2 stock Meta Platforms, Inc.
NFLX 897.80 0.34 1.25 427 0.000 2 stock Netflix, Inc.
AVGO 164.20 0.42 1.30 4670 0.013 2 stock Broadcom Inc.
INTC 24.50 0.46 1.05 4310 0.000 2 stock Intel Corporation
MU 102.75 0.46 1.40 1110 0.004 2 stock Micron Technology, Inc.
PLTR 64.35 0.62 2.20 2250 0.000 2 stock Palantir Technologies Inc.
COIN 304.65 0.80 3.10 200 0.000 2 stock Coinbase Global, Inc.
MSTR 421.90 1.00 3.20 200 0.000 2 stock MicroStrategy Incorporated
JPM 248.55 0.22 1.10 2810 0.020 1 stock JPMorgan Chase & Co.
BAC 47.00 0.25 1.30 7670 0.022 1 stock Bank of America Corporation
GS 602.80 0.26 1.35 314 0.020 1 stock The Goldman Sachs Group, Inc.
XOM 121.80 0.21 0.85 4390 0.032 1 stock Exxon Mobil Corporation
CVX 162.35 0.20 0.90 1800 0.040 1 stock Chevron Corporation
WMT 90.45 0.18 0.55 8030 0.009 1 stock Walmart Inc.
COST 964.00 0.20 0.80 443 0.005 1 stock Costco Wholesale Corporation
DIS 115.65 0.26 1.25 1810 0.008 1 stock The Walt Disney Company
BA 149.30 0.33 1.50 748 0.000 1 stock The Boeing Company
UNH 590.90 0.24 0.60 920 0.014 1 stock UnitedHealth Group Incorporated
JNJ 155.15 0.15 0.50 2410 0.032 1 stock Johnson & Johnson
BRK/B 471.30 0.16 0.85 1310 0.000 1 stock Berkshire Hathaway Inc.
V 309.90 0.17 0.95 1950 0.007 1 stock Visa Inc.
KO 63.90 0.14 0.55 4310 0.030 1 stock The Coca-Cola Company
F 11.18 0.34 1.45 3970 0.054 1 stock Ford Motor Company
"""
