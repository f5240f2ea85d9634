"""Open the EncryptedData and ConfigurationReferences of a stream, nested ones too, all within one budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.api.v1alpha1.reference import ConfigurationReference, ConfigurationReferenceSpec
from machineadm.documents.decoding import decode
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document, Problem, problem_at
from machineadm.documents.source import MAX_BYTES
from machineadm.errors import ConfigError
from machineadm.redaction import Secret

MAX_LEVELS: Final = 4
"""EncryptedData and ConfigurationReferences within each other."""

# Each level and each document costs a derivation; an attacker who writes one small file must not
# buy minutes of a machine's boot.
MAX_ROUNDS: Final = 20_000_000
"""Rounds of key derivation for a whole stream: some ten seconds. 400 documents of the default 50,000 take all."""

PASSPHRASES: Final = "/etc/machineadm/passphrases"
"""Directory where a machine has the passphrase of each provider, in a file of its name."""

PLUGIN: Final = "machineadm-plugin-encryption-provider-"
"""Name of the plugin that knows a provider's passphrase, without the provider."""


class Passphrases(Protocol):
    """Knows the passphrases of providers."""

    def passphrase(self, provider: str) -> Secret | None:
        """Return the passphrase; None if there is none for this provider.

        Raises:
            ConfigError: There is one, but it cannot be used.
            PluginError: There is a plugin, but it cannot be asked.
        """


class References(Protocol):
    """Fetches what ConfigurationReferences name."""

    def unfit(self, spec: ConfigurationReferenceSpec) -> Sequence[Finding]:
        """Return why a reference is not even fetched."""

    def fetch(self, spec: ConfigurationReferenceSpec) -> bytes:
        """Return the bytes that a ConfigurationReference names, after checking their digest.

        Raises:
            MachineadmError: They cannot be fetched, or have another digest.
        """


class NoPassphrases:
    """Has no passphrase at all."""

    def passphrase(self, provider: str) -> Secret | None:
        """See `Passphrases`."""
        # Not an error: a stream without anything encrypted must not need a passphrase.
        return None


class Opener(msgspec.Struct, frozen=True, kw_only=True):
    """What opens EncryptedData and ConfigurationReferences."""

    passphrases: Passphrases = NoPassphrases()

    references: References | None = None
    """None: a ConfigurationReference stays closed, and nothing is said of it."""

    allow_unauthenticated: bool = False
    """Open unauthenticated data: `aes-256-cbc` without `mac`."""

    rounds: int = MAX_ROUNDS
    """Of key derivation, for a whole stream."""


def expand(
    documents: Sequence[Document], opener: Opener, budget: Budget | None = None
) -> tuple[list[Document], tuple[Problem, ...]]:
    """Open all EncryptedData of a stream.

    Args:
        documents: The stream.
        opener: Knows the passphrases.
        budget: That of the stream.

    Returns:
        The documents, each EncryptedData and ConfigurationReference followed by those in it, whose file is `FILE#N` for document N of FILE;
        and why some do not open.
    """
    opening = Opening(opener, budget)
    return list(_below(documents, opening, 1)), tuple(opening.problems)


def inner_name(document: Document) -> str:
    """Name the plaintext of an EncryptedData for messages."""
    return f"{document.file}#{document.index}"


class Opening:
    """What one stream may cost, over all its levels.

    Args:
        opener: Who knows the passphrases.
        budget: That of the stream, for what is opened.
    """

    def __init__(self, opener: Opener, budget: Budget | None = None) -> None:
        self._opener = opener
        self.budget = budget or Budget()
        self._rounds = opener.rounds
        # As for one input: encrypted documents may be as large as plain ones, and not more.
        self._bytes = MAX_BYTES
        self._is_spent = False
        self.problems: list[Problem] = []
        """Why some did not open."""

    def open(self, documents: Sequence[Document], level: int) -> list[bytes | None]:
        """Open those documents that are EncryptedData or ConfigurationReferences and have no problem.

        Args:
            documents: Of one stream.
            level: How many EncryptedData lead to them, themselves included.

        Returns:
            The plaintext of each document; None if it is of another kind, or does not open.
        """
        # None at all: the configuration is refused anyway, and the first few would cost the seconds
        # that this saves.
        if not self._affordable(documents):
            return [None] * len(documents)
        return [self._open(document, level) for document in documents]

    def _affordable(self, documents: Sequence[Document]) -> bool:
        """Whether there is time for all; decided before the first, so that a bomb is refused before it costs anything."""
        # A copy: only what is really derived is subtracted (in _unseal), and a document without a
        # passphrase costs nothing.
        left = self._rounds
        for document in filter(_is_closed, documents):
            from machineadm.documents.encryption import rounds

            left -= rounds(document.value)
            if left < 0:
                self.problems.append(problem_at(document, _TOO_DEAR))
                return False
        return True

    def _open(self, document: Document, level: int) -> bytes | None:
        # With a problem its value may lack fields: it stays closed, and the problem says why.
        if isinstance(document.value, ConfigurationReference) and not document.problems:
            found = self._fetched(document.value, level)
        elif _is_closed(document):
            found = self._unseal(document.value, level)
        else:
            return None
        if isinstance(found, bytes):
            # All plaintexts of a stream share one budget: many small documents must not add up to
            # more than one large one may hold.
            self._bytes -= len(found)
            return found
        self.problems += [problem_at(document, finding) for finding in found or ()]
        return None

    def _fetched(
        self, reference: ConfigurationReference, level: int
    ) -> bytes | Sequence[Finding] | None:
        """Fetch what a reference names.

        Raises:
            MachineadmError: It cannot be fetched, or has another digest.
        """
        # As in `machineadm decrypt`, which opens what is encrypted and fetches nothing.
        if self._opener.references is None:
            return None
        if level > MAX_LEVELS:
            return (_TOO_DEEP,)
        if findings := self._opener.references.unfit(reference.spec):
            return findings
        data = self._opener.references.fetch(reference.spec)
        # One limit for the whole stream, as for plaintexts: a reference costs a few bytes, too.
        return (_TOO_LARGE,) if len(data) > self._bytes else data

    def _unseal(self, data: EncryptedData, level: int) -> bytes | Sequence[Finding]:
        from machineadm.documents.encryption import TOO_LARGE, SealedError, rounds, unfit, unseal

        if level > MAX_LEVELS:
            return (_TOO_DEEP,)
        # An earlier one was decompressed up to the limit before it was refused: do not pay that again for each that follows.
        if self._is_spent:
            return (TOO_LARGE,)
        # Both are judged with the same leniency, or a document would be fit and then not open.
        lenient = self._opener.allow_unauthenticated
        # Before the key derivation, which takes a noticeable part of a second: damaged parameters
        # fail whatever the passphrase is.
        findings = unfit(data, allow_unauthenticated=lenient)
        try:
            passphrase = self._opener.passphrases.passphrase(data.spec.provider)
            if passphrase is None:
                # Together: whoever fixes the passphrase would meet the damage only in the next run.
                return (*findings, _nothing_at_hand(data.spec.provider))
            if findings:
                return findings
            # Counted here as well: what a plaintext holds is not known when its outer stream is
            # judged.
            self._rounds -= rounds(data)
            return unseal(data, passphrase, allow_unauthenticated=lenient, most=self._bytes)
        except SealedError as error:
            # Only this one: a wrong passphrase says nothing about the documents that follow.
            self._is_spent = error.finding is TOO_LARGE
            return (error.finding,)
        except ConfigError as error:
            return (*findings, _of_passphrase(error))


def _below(documents: Sequence[Document], opening: Opening, level: int) -> Iterator[Document]:
    plaintexts = opening.open(documents, level)
    for index, document in enumerate(documents):
        yield document
        plaintext, plaintexts[index] = plaintexts[index], None  # not both its bytes and its text
        if plaintext is not None:
            # As any input: what is decrypted is no more trusted than what was plain.
            inner = decode(plaintext, file=inner_name(document), budget=opening.budget)
            yield from _below(inner, opening, level + 1)


def _is_closed(document: Document) -> bool:
    return isinstance(document.value, EncryptedData) and not document.problems


def _of_passphrase(error: ConfigError) -> Finding:
    return Finding(code=error.code, path="spec.provider", message=error.message, hint=error.hint())


def _nothing_at_hand(provider: str) -> Finding:
    return Finding(
        code="MA1501",
        path="spec.provider",
        message=f"no passphrase for provider {provider!r}",
        hint=f"put it into {PASSPHRASES}/{provider} (owner root, mode 0600), or give --passphrase-file {provider}=FILE "
        f"or --passphrase-fd {provider}=N, or install the plugin {PLUGIN}{provider}",
    )


_TOO_DEAR: Final = Finding(
    code="MA1505",
    path="spec.iterations",
    message=f"up to here the stream needs more than {MAX_ROUNDS} iterations of key derivation, so nothing is decrypted",
    hint="encrypt with fewer iterations, or more documents together (sha-256 counts twice)",
)
_TOO_DEEP: Final = Finding(
    code="MA1506",
    path="kind",
    message=f"EncryptedData and ConfigurationReferences within each other more than {MAX_LEVELS} deep",
    hint="encrypt the documents fewer times, or let references name the documents themselves",
)
_TOO_LARGE: Final = Finding(
    code="MA1503",
    path="kind",
    message=f"up to here the stream decrypts to more than {MAX_BYTES} bytes",
    hint="move large contents out: the source of a file is streamed, not held in memory",
)
