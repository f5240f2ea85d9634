"""A catalog in an OCI registry: PREFIX/KINDs/NAME with a tag for each version, and a token or password if it asks for one."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from machineadm.plugins.catalogs import oci
from machineadm.plugins.catalogs.model import (
    ANY,
    Answer,
    Artifact,
    BrokenError,
    CatalogError,
    Chunks,
    Restart,
    Web,
    absent,
    other_platforms,
)
from machineadm.redaction import Secret

MOST_PAGES: Final = 100
"""Pages of tags that are read: a registry whose pages never end must not hold a run."""

_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PARAMETER: Final = r'([a-zA-Z_]+)="([^"]*)"|([a-zA-Z_]+)=([^\s,"]+)'
_NEXT: Final = r'<([^<>]+)>\s*;\s*rel="?next"?'


class RegistryCatalog:
    """Plugins in a registry.

    Args:
        base: `https://HOST` or, only on this machine, `http://HOST`.
        prefix: Path of the repositories below it; may be empty.
        web: Asks it.
        user: Name for registries that ask for one.
        password: Its password.
    """

    def __init__(
        self, base: str, prefix: str, web: Web, *, user: str = "", password: Secret | None = None
    ) -> None:
        self._base = base
        self._prefix = prefix
        self._web = web
        self._user = user
        self._password = password
        self._authorization: dict[str, Secret] = {}
        """By repository: what it wanted the last time."""

        host = urlsplit(base).netloc
        self.address = f"oci://{host}/{prefix}".rstrip("/")

    def versions(self, kind: str, name: str) -> tuple[str, ...]:
        """See `Catalog`.

        Raises:
            CatalogError: It cannot be asked.
        """
        repository = self._repository(kind, name)
        found: list[str] = []
        url = f"{self._base}/v2/{repository}/tags/list?n=1000"
        for _ in range(MOST_PAGES):
            answer = self._ask(repository, url, {})
            if answer.status == 404:
                return ()
            page = oci.parse(self._document(answer, url), self._where(url))
            tags = page.get("tags") or []
            if not isinstance(tags, list):
                oci.unfit(self._where(url), "has no list of tags")
            found += [oci.version_of(tag) for tag in tags if isinstance(tag, str)]
            following = re.search(_NEXT, answer.headers.get("link", ""))
            if following is None:
                return tuple(found)
            url = urljoin(url, following[1])
            # The next request carries our token, and the registry must not send it elsewhere.
            if not url.startswith(f"{self._base}/v2/"):
                oci.unfit(self._where(url), "redirects to another server")
        return oci.unfit(self.address, f"has more than {MOST_PAGES} pages of versions")

    def find(self, kind: str, name: str, version: str, platform: str) -> Artifact:
        """See `Catalog`.

        Raises:
            AbsentError: There is no such version.
            PlatformError: There is, for others.
            CatalogError: It cannot be asked.
        """
        repository = self._repository(kind, name)
        top = self._manifest(repository, oci.tag_of(version))
        if top is None:
            absent(kind, name, version, self.address)
        document, media_type = top
        said = ""
        if oci.is_index(document, media_type):
            listed = oci.descriptors(document, f"{self.address}/{repository}")
            chosen = oci.choose(listed, platform)
            if chosen is None:
                other_platforms(kind, name, version, platform, oci.platforms(listed))
            said = chosen.platform
            below = self._manifest(repository, chosen.digest)
            if below is None:
                oci.unfit(self.address, f"lists {chosen.digest} and does not have it")
            document = below[0]
        where = f"{self.address}: {repository}:{version}"
        layer = oci.content(document, where)
        said = said or self._config(repository, document, where) or ANY
        plugin = (kind, name, version)
        return oci.artifact(plugin, platform, said, layer, catalog=self.address, place=repository)

    def read(self, artifact: Artifact, start: int) -> Chunks:
        """See `Catalog`.

        Raises:
            CatalogError: It cannot be read.
            BrokenError: It broke off.
        """
        url = f"{self._base}/v2/{artifact.place}/blobs/{artifact.digest}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        answer = self._ask(artifact.place, url, headers)
        if answer.status == 206 and start:
            # Some proxies answer 206 with the whole file; appended to what is there it would only
            # fail at the digest.
            if not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                oci.unfit(self._where(url), "answers with another part than was asked for")
        elif answer.status == 200:
            if start:
                yield Restart()
        else:
            raise self._refusal(url, answer.status)
        yield from answer.body

    def _repository(self, kind: str, name: str) -> str:
        return "/".join(filter(None, (self._prefix, oci.REPOSITORIES[kind], name)))

    def _manifest(self, repository: str, reference: str) -> tuple[dict[str, Any], str] | None:
        """Read a manifest or index, and its media type; None if there is none.

        Raises:
            CatalogError: It cannot be read.
        """
        url = f"{self._base}/v2/{repository}/manifests/{quote(reference, safe=':')}"
        answer = self._ask(repository, url, {"Accept": oci.ACCEPT})
        if answer.status == 404:
            return None
        data = self._document(answer, url)
        digest = reference if ":" in reference else answer.headers.get("docker-content-digest", "")
        # By tag the server's own header is all there is; it shows damage on the way, not a
        # dishonest registry. The lock does that.
        if digest.startswith("sha256:"):
            oci.require_digest(data, digest, self._where(url))
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return oci.parse(data, self._where(url)), media_type

    def _config(self, repository: str, manifest: dict[str, Any], where: str) -> str:
        """Return the platform of a manifest without an index; empty if it names none."""
        config = manifest.get("config")
        if not isinstance(config, dict) or not config.get("size"):
            return ""
        one = oci.descriptor(config, where)
        url = f"{self._base}/v2/{repository}/blobs/{one.digest}"
        data = self._document(self._ask(repository, url, {}), url)
        oci.require_digest(data, one.digest, self._where(url))
        return oci.platform_of_config(data, self._where(url))[3]

    def _document(self, answer: Answer, url: str) -> bytes:
        """Read an answer of bounded size.

        Raises:
            CatalogError: It is too large, or a refusal.
        """
        if answer.status != 200:
            raise self._refusal(url, answer.status)
        data = bytearray()
        for chunk in answer.body:
            data += chunk
            if len(data) > oci.MOST_JSON:
                oci.unfit(self._where(url), f"is larger than {oci.MOST_JSON} bytes")
        return bytes(data)

    def _ask(self, repository: str, url: str, headers: dict[str, str]) -> Answer:
        """Make a request, with a token or the password if the registry wants one.

        Raises:
            CatalogError: It does not answer, or refuses us.
        """
        known = self._authorization.get(repository)
        answer = self._web.get(url, self._with(headers, known))
        if answer.status != 401:
            return answer
        self._authorization[repository] = self._authorized(repository, url, answer.headers)
        return self._web.get(url, self._with(headers, self._authorization[repository]))

    def _with(
        self, headers: Mapping[str, str], authorization: Secret | None
    ) -> dict[str, str | Secret]:
        return {**headers, **({"Authorization": authorization} if authorization else {})}

    def _authorized(self, repository: str, url: str, headers: Mapping[str, str]) -> Secret:
        """Build the authorization that a registry asked for with 401.

        Raises:
            CatalogError: There is none, or the registry refuses it.
        """
        scheme, _, rest = headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() == "basic" and self._password is not None:
            return self._basic()
        if scheme.lower() != "bearer":
            raise self._refusal(url, 401)
        given = {a or c: b or d for a, b, c, d in re.findall(_PARAMETER, rest)}
        realm = given.get("realm", "")
        # The password is sent to the realm, whose address the registry chooses: https, or the catalog's own server.
        if not realm.startswith(("https://", f"{self._base}/")):
            raise CatalogError(
                "MA7244",
                f"{self.address} names no address for tokens over https",
                hint="look at the registry's own settings (realm)",
            )
        scope = given.get("scope") or f"repository:{repository}:pull"
        query = urlencode({"service": given.get("service", ""), "scope": scope})
        token_url = f"{realm}{'&' if '?' in realm else '?'}{query}"
        answer = self._web.get(token_url, self._with({}, self._basic() if self._password else None))
        if answer.status != 200:
            raise self._refusal(realm, answer.status)
        found = oci.parse(self._document(answer, realm), self._where(realm))
        token = found.get("token") or found.get("access_token")
        if not isinstance(token, str) or not token:
            oci.unfit(self._where(realm), "gives no token")
        return Secret(f"Bearer {token}")

    def _basic(self) -> Secret:
        password = self._password.reveal() if self._password else ""
        return Secret("Basic " + base64.b64encode(f"{self._user}:{password}".encode()).decode())

    def _where(self, url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{parts.path}"

    def _refusal(self, url: str, status: int) -> CatalogError:
        if status in (401, 403):
            hint = "look at the name and the password for it in the credentials file"
            if self._password is None:
                hint = "it requires credentials: --credentials FILE (as `docker login` writes it)"
            return CatalogError("MA7244", f"{self.address} refuses access ({status})", hint=hint)
        what = f"{self._where(url)} answers {status}"
        if status in _LATER:
            return BrokenError("MA7247", what, hint="try again; the registry's own log says why")
        return CatalogError("MA7243", what, hint="look whether this address is a registry")


def credentials(data: bytes, host: str, where: str) -> tuple[str, Secret | None]:
    """Read user and password of a registry from a file such as `docker login` writes.

    Raises:
        CatalogError: MA7244: It is not such a file.
    """
    refusal = CatalogError(
        "MA7244",
        f"{where} is not a file of credentials",
        hint='{"auths": {"registry.example": {"auth": BASE64 OF user:password}}}',
    )
    try:
        auths = msgspec.json.decode(data)["auths"]
        entry = next((one for name, one in auths.items() if _host(name) == host), None)
        if entry is None:
            return "", None
        if "auth" in entry:
            user, _, password = (
                base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            )
        else:
            user, password = str(entry["username"]), str(entry["password"])
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError):
        # Without the cause, which may quote the password.
        raise refusal from None
    return user, Secret(password)


def _host(name: str) -> str:
    return name.partition("://")[2].partition("/")[0] if "://" in name else name.partition("/")[0]
