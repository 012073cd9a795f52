"""What was said about each image, kept for the analyses of its study.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "image_result",
        sa.Column("instance_uid", sa.String(64), nullable=False),
        sa.Column("analyser", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("timings", sa.JSON(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_uid"],
            ["instance.instance_uid"],
            name="fk_image_result_instance_uid_instance",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_uid", "analyser", name="pk_image_result"),
    )
