"""What keeps a store in order: keys, migration, purging."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rota.server.application import Application
    from rota.store.keyring import Keyring
    from rota.store.purge import Purged


class Maintenance:
    """Keys, migration, purging."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def make_key(self) -> Keyring:
        """Make the secret key file unless it is there."""
        from rota.store.keyring import create

        return create(self._app.settings.secret_key_file)

    def rotate_keys(self) -> int:
        """Make a new key, encrypt everything anew with it, drop the old ones; return how many values changed."""
        from rota.store.rotation import rotate

        keyring = self._app.resources.keyring
        keyring.add_key()
        count = rotate(self._app.store, keyring)
        keyring.drop_old_keys()
        return count

    def migrate(self) -> tuple[str | None, str]:
        """Bring the schema up to date; return the revisions before (or None) and after. Raises StoreError."""
        from rota.store.migrate import migrate

        return migrate(self._app.settings.store)

    def purge(
        self,
        older_than: timedelta,
        *,
        namespace: str | None = None,
        states: Iterable[str] = (),
        dry_run: bool = False,
    ) -> Purged:
        """Remove executions that ended longer ago than `older_than`, with all that belongs to them.

        With `dry_run` nothing is removed, and only `executions` is counted.
        """
        from rota.store.purge import purge

        artifacts = self._app.resources.artifacts
        return purge(
            self._app.store,
            before=time.time() - older_than.total_seconds(),
            namespace=namespace,
            states=tuple(states),
            delete_artifact=artifacts.delete,
            dry_run=dry_run,
        )
