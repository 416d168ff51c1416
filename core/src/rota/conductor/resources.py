"""What executions run with: the store, the settings, the plugins, the keys, the artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rota.extensions import ArtifactStore, SecretBackend
from rota.plugins import Plugins
from rota.settings import Settings, class_of, validate_section

if TYPE_CHECKING:
    from rota.store import Store
    from rota.store.keyring import Keyring


@dataclass
class Resources:
    """Opened once per process; what costs something is made when it is first needed."""

    settings: Settings
    plugins: Plugins
    store: Store

    def use(self, settings: Settings) -> None:
        """Put other settings in force; the store, the keys and the artifacts stay what they are."""
        self.settings = settings
        self.__dict__.pop("secret_backends", None)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that encrypt secrets in the store."""
        from rota.store.keyring import Keyring

        return Keyring(self.settings.secret_key_file)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """Where artifacts are kept, by the setting `artifacts`. Raises SettingsError."""
        from rota.store.folder import Folder

        cls = self.artifact_class()
        store = validate_section(self.settings, ("artifacts",), self.settings.artifacts.fields, cls)
        if isinstance(store, Folder):
            from rota.store.artifacts import any_stored

            with self.store.read() as conn:
                others = self.store.dialect != "sqlite" and any_stored(conn)
            store.claim(self.store.database_id, shared=others)
        return store

    def artifact_class(self) -> type[ArtifactStore]:
        """Return the class of the setting `artifacts`. Raises SettingsError."""
        kind = self.settings.artifacts.type
        if kind == "folder":
            from rota.store.folder import Folder

            return Folder
        return class_of(self.settings, ("artifacts",), kind, self.plugins.artifact_store)

    @cached_property
    def secret_backends(self) -> dict[str, SecretBackend]:
        """The configured secret backends by id, in the order of the settings. Raises SettingsError."""
        found: dict[str, SecretBackend] = {}
        for index, section in enumerate(self.settings.secrets):
            cls = class_of(self.settings, ("secrets", index), section.type, self.plugins.secret_backend)
            found[section.id] = validate_section(self.settings, ("secrets", index), section.fields, cls)
        return found

    def backends_of(self, namespace: str) -> dict[str, SecretBackend]:
        """Return the secret backends that flows of `namespace` may ask, in order."""
        wanted = [section.id for section in self.settings.secrets if section.is_open_to(namespace)]
        return {name: self.secret_backends[name] for name in wanted}

    def seal(self, text: str) -> str:
        """Encrypt a text for the store."""
        return self.keyring.encrypt(text)

    def unseal(self, token: str) -> str:
        """Decrypt what `seal` gave. Raises SecretError."""
        return str(self.keyring.decrypt(token))

    @property
    def workdir(self) -> Path:
        """The folder that holds the work folders of task runs."""
        return self.settings.home / "work"
