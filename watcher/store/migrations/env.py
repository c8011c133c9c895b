"""Run by Alembic, which `watcher/store/migrate.py` calls with an open connection."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
