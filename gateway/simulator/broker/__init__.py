"""What Tastytrade serves: REST, DXLink, the account streamer, and the customers' books."""
