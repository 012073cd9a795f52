"""A clock that is set back delays nothing: what waits for a time is due that much earlier, too.

Due times, pauses and leases are times by the database's clock. Services note the latest time they saw in the database
(``clock.seen_at``); a clock that shows an earlier one was set back since, also while nothing ran. Who sees it first
moves all that waits in the transaction that notes the new time, so that nobody does it twice. A service that runs knows
by its monotonic clock how far the clock was set back; after a start the noted time says so, up to :data:`MARK_MS` less.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from config.logs import get_logger
from tracking.audit_log import audit
from tracking.audit_log.audit import AuditEventType
from tracking.engine.clock import now_ms
from tracking.engine.database import Database
from tracking.tables.models import Breaker, Clock, Job

LOOK_SECONDS = 5.0
"""How often a service looks: some 0.3 ms of processor time each."""
MARK_MS = 20_000
"""How old the noted time may become; a clock set back by less is left alone, and delays work by no more than that."""
_SLEW_MS = 2_000
"""NTP slews a clock rather than set it, by less than this."""

_log = get_logger(__name__)


@dataclass
class ClockWatch:
    """Looks at the database's clock for one service.

    Parameters
    ----------
    database
        Whose clock it is.
    lease_ms
        How long a claim lasts: a lease is never shortened below it.
    monotonic
        A clock that nobody can set, in seconds.
    """

    database: Database
    lease_ms: int
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def look(self) -> int:
        """Compare the clock with what was seen before; return by how many milliseconds waiting work was moved."""
        with self.database.reading() as read:
            now, seen = read.execute(select(now_ms(), Clock.seen_at).where(Clock.id == 1)).one()
        measured = self._last
        self._last = (now, self.monotonic())
        if seen - now > _SLEW_MS:
            expected = seen if measured is None else measured[0] + int(1000 * (self._last[1] - measured[1]))
            return self._follow(max(0, expected - now))
        if now - seen >= MARK_MS:
            with self.database.transaction() as tx:
                tx.execute(update(Clock).where(Clock.id == 1, Clock.seen_at < now_ms()).values(seen_at=now_ms()))
        return 0

    def _follow(self, measured_ms: int) -> int:
        """Move what waits, unless another service has."""
        with self.database.transaction() as tx:
            row = select(now_ms(), Clock.seen_at).where(Clock.id == 1).with_for_update(of=Clock)
            now, seen = tx.execute(row).one()
            if seen - now <= _SLEW_MS:
                return 0
            step = max(seen - now, measured_ms)
            tx.execute(update(Clock).where(Clock.id == 1).values(seen_at=now))
            move_due_times(tx, step, self.lease_ms)
            audit.append(tx, AuditEventType.CLOCK_SET_BACK, outcome="minor-failure", detail={"milliseconds": step})
        _log.warning("clock-set-back", delay_s=round(step / 1000), cure="run NTP on the database's machine")
        return step


def move_due_times(tx: Session, step_ms: int, lease_ms: int) -> None:
    """Let everything that waits for a time be due so much earlier; leases last as long as a new one at least."""
    renewed = now_ms() + lease_ms
    moved = Job.visible_at - step_ms
    tx.execute(
        update(Job)
        .where(Job.state == "open", Job.visible_at > now_ms())
        .values(
            visible_at=case((Job.worker.is_(None), moved), (moved < renewed, renewed), else_=moved),
            created_at=Job.created_at - step_ms,
            give_up_at=Job.give_up_at - step_ms,
        )
        .execution_options(synchronize_session=False)
    )
    tx.execute(
        update(Breaker)
        .where(Breaker.paused_until > now_ms())
        .values(paused_until=Breaker.paused_until - step_ms)
        .execution_options(synchronize_session=False)
    )
