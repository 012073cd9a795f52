"""The tables of who may use the console. Secrets are kept as digests only: a copy of them lets nobody in."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tracking.engine.clock import now_ms
from tracking.tables.models import Base, BigId, Digest

UserName = String(64)


class User(Base):
    """A person who may log in, with a password or as a person of an OpenID provider.

    ``password_hash`` is an Argon2id hash in the PHC format (RFC 9106); empty for a person of a provider, whom
    ``issuer`` and ``subject`` name (OpenID Connect Core 2: ``iss`` and ``sub`` together are the one lasting name).
    """

    __tablename__ = "console_user"
    __table_args__ = (Index(None, "issuer", "subject", unique=True),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(UserName, unique=True)
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(Text)
    must_change: Mapped[bool]
    """The password was given by another person or program: it opens nothing but the page that changes it."""
    created_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    password_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)
    last_login_at: Mapped[int | None] = mapped_column(BigInteger)
    issuer: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(255))


class UserSession(Base):
    """A login that has not ended yet; ``token_digest`` is the SHA-256 of the cookie's token."""

    __tablename__ = "user_session"

    token_digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    started_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    seen_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())


class ApiToken(Base):
    """A token with which a program acts for a user; ``scopes`` are words with a space between."""

    __tablename__ = "api_token"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_digest: Mapped[str] = mapped_column(Digest, unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    scopes: Mapped[str] = mapped_column(String(80))
    purpose: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[int] = mapped_column(BigInteger, default=now_ms())
    expires_at: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class SavedFilter(Base):
    """A filter of the worklist that a user has given a name; ``query`` is the query of its address."""

    __tablename__ = "saved_filter"

    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    query: Mapped[str] = mapped_column(Text)


class LoginFailures(Base):
    """Failed logins in a row of one subject, and until when its next login is refused.

    ``kind`` is ``user``, ``address`` or ``unknown``. ``subject`` is a digest, as people also type their password where
    the user name belongs.
    """

    __tablename__ = "login_failures"
    __table_args__ = (Index(None, "last_at"),)

    kind: Mapped[str] = mapped_column(String(8), primary_key=True)
    subject: Mapped[str] = mapped_column(Digest, primary_key=True)
    count: Mapped[int]
    last_at: Mapped[int] = mapped_column(BigInteger)
    locked_until: Mapped[int] = mapped_column(BigInteger)
