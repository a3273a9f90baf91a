"""What people made and want to find again: lists, preferences, secrets; SQLite, or Postgres."""
