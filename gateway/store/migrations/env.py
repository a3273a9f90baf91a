"""What Alembic runs: all revisions that are missing, in the transaction that it is given."""

from alembic import context

# SQLite can undo changes of tables as well, which Alembic does not believe unless told.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
