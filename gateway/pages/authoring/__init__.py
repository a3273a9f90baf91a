"""What turns a person's file into pages."""
