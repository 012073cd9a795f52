"""Persons of an OpenID provider among the users, and the scopes that took the place of ``write``, which opened nothing.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("console_user", sa.Column("issuer", sa.String(255), nullable=True))
    op.add_column("console_user", sa.Column("subject", sa.String(255), nullable=True))
    op.create_index("ix_console_user_issuer_subject", "console_user", ["issuer", "subject"], unique=True)
    token = sa.table("api_token", sa.column("id", sa.BigInteger()), sa.column("scopes", sa.String(80)))
    connection = op.get_bind()
    for number, scopes in connection.execute(sa.select(token.c.id, token.c.scopes)).all():
        kept = " ".join(scope for scope in scopes.split() if scope != "write")
        if kept != scopes:
            connection.execute(sa.update(token).where(token.c.id == number).values(scopes=kept))


def downgrade() -> None:
    op.drop_index("ix_console_user_issuer_subject", "console_user")
    for column in ("subject", "issuer"):
        op.drop_column("console_user", column)
