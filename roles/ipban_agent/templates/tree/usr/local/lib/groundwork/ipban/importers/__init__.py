"""What brings bans into the store from elsewhere: public lists, logs, and a command for other programs."""
