"""A catalog in an OCI registry: PREFIX/KINDs/NAME with a tag for each version, and a token or password if it asks for one."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec

from machineadm.api.formats import address
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

MOST_VERSIONS: Final = 100_000
"""Versions of one plugin: as many as the pages hold that are asked for."""

# What may pass by itself; anything else is final, and asking again would only delay its error.
_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_TOKEN: Final = 64 << 10
"""Bytes of a token: servers take at most 8 to 64 KiB of headers."""

_CHALLENGE: Final = r'([\w-]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^\s,"]+))|([\w-]+)'
"""A parameter of a challenge, quoted or not, or the scheme that begins the next one (RFC 9110, 11.6.1)."""

# RFC 8288; the distribution spec asks for just this form.
_NEXT: Final = r'<([^<>]+)>\s*;\s*rel="?next"?'


class Login(NamedTuple):
    """What a registry may be told of who asks it; all empty: nothing."""

    user: str = ""
    password: Secret | None = None
    identity: Secret | None = None
    """An identity token: instead of a password, and for the token service alone."""


Challenges = list[tuple[str, dict[str, str]]]
"""What a server asks for with 401: schemes in lower case, each with its parameters."""


class RegistryCatalog:
    """Plugins in a registry.

    Args:
        base: `https://HOST` or, only on this machine, `http://HOST`.
        prefix: Path of the repositories below it; may be empty.
        web: Asks it.
        login: For registries that ask for one.
    """

    def __init__(self, base: str, prefix: str, web: Web, login: Login) -> None:
        self._base = base
        self._prefix = prefix
        self._web = web
        self._login = login
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
        # A registry may give fewer a page than it is asked for; then the next one is linked.
        url = f"{self._base}/v2/{repository}/tags/list?n=1000"
        for _ in range(MOST_PAGES):
            answer = self._ask(repository, url, {})
            # Also what a registry answers where it hides what we may not see.
            if answer.status == 404:
                return ()
            page = oci.parse(self._document(answer, url), self._where(url))
            # Distribution answers null for a repository without tags.
            tags = page.get("tags") or []
            if not isinstance(tags, list):
                oci.unfit(self._where(url), "has no list of tags")
            found += [oci.version_of(tag) for tag in tags if isinstance(tag, str)]
            # In sum: each page may have 4 MiB, and a hundred of them would fill the memory of a small machine.
            if len(found) > MOST_VERSIONS:
                break
            following = re.search(_NEXT, answer.headers.get("link", ""))
            if following is None:
                return tuple(found)
            try:
                url = urljoin(url, following[1])
            except ValueError:
                oci.unfit(self._where(url), "links to what is not a URL")
            # The next request carries our token, and the registry must not send it elsewhere.
            if not url.startswith(f"{self._base}/v2/"):
                oci.unfit(self._where(url), "redirects to another server")
        return oci.unfit(
            self.address,
            f"has more than {MOST_PAGES} pages of versions, or {MOST_VERSIONS} versions",
        )

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
            # By digest: a tag that moves meanwhile must not mix two versions.
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
        with closing(answer.body):
            if answer.status == 206 and start:
                # Some proxies answer 206 with the whole file; appended to what is there it would only
                # fail at the digest.
                if not answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
                    oci.unfit(self._where(url), "answers with another part than was asked for")
            elif answer.status == 200:
                if start:
                    yield Restart()
            else:
                raise self._refusal(answer.status, url=url)
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
        with closing(answer.body):
            if answer.status != 200:
                raise self._refusal(answer.status, url=url)
            data = bytearray()
            # Counted as it comes: Content-Length may be missing, or wrong.
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
        # By repository: a token has the scope of one.
        known = self._authorization.get(repository)
        answer = self._web.get(url, self._with(headers, known))
        if answer.status != 401:
            return answer
        # A token may have expired since: one more is asked for, and the refusal of a new one is final.
        new = self._authorized(repository, _challenges(answer.headers), answer.status)
        self._authorization[repository] = new
        answer = self._web.get(url, self._with(headers, new))
        if answer.status == 401:
            said = [one.get("error") for scheme, one in _challenges(answer.headers)]
            if "invalid_token" in said:
                raise CatalogError(
                    "MA7244",
                    f"{self.address} does not accept the token that its own token service issued",
                    hint="compare the clocks of both and of this machine, and the keys that the registry trusts",
                )
        return answer

    def _with(
        self, headers: Mapping[str, str], authorization: Secret | None
    ) -> dict[str, str | Secret]:
        return {**headers, **({"Authorization": authorization} if authorization else {})}

    def _authorized(self, repository: str, wanted: Challenges, status: int) -> Secret:
        """Build the authorization that a registry asked for with 401.

        Raises:
            CatalogError: There is none, or the registry refuses it.
        """
        bearer = next((one for scheme, one in wanted if scheme == "bearer"), None)
        # Before Basic: the password then goes to the token service alone, and not with every
        # request.
        if bearer is not None:
            return self._token(repository, bearer)
        if self._login.password is not None and any(scheme == "basic" for scheme, _ in wanted):
            return self._basic()
        raise self._refusal(status)

    def _token(self, repository: str, challenge: Mapping[str, str]) -> Secret:
        """Ask the token service of a challenge, with the identity token or the password if there is one.

        Raises:
            BrokenError: It fails in a way that may pass.
            CatalogError: It is not one that may be asked, or gives no token.
        """
        realm = challenge.get("realm", "")
        self._require_service(realm)
        # The scope of the token specification of Distribution; registries may leave it out.
        scope = challenge.get("scope") or f"repository:{repository}:pull"
        asked = {"service": challenge.get("service", ""), "scope": scope}
        where = f"token service {self._where(realm)}"
        if self._login.identity is not None:
            # The registries' form of OAuth 2: in the body alone, which a redirect does not take along.
            grant = {"grant_type": "refresh_token", "client_id": "machineadm"}
            answer = self._web.post(
                realm, {**grant, **asked, "refresh_token": self._login.identity}
            )
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}"
            answer = self._web.get(
                url, self._with({}, self._basic() if self._login.password else None)
            )
        # 400 is OAuth's own answer to a token that has expired or was withdrawn (RFC 6749, 5.2).
        refusals = (401, 403) if self._login.identity is None else (400, 401, 403)
        if answer.status in refusals:
            raise self._refusal(answer.status, by=where)
        if answer.status in _LATER:
            raise BrokenError(
                "MA7247", f"{where} answers {answer.status}", hint="try again; its log says why"
            )
        if answer.status >= 400:
            raise CatalogError(
                "MA7244",
                f"{where} of {self.address} answers {answer.status}",
                hint="look at the registry's own settings (realm, service)"
                + (
                    ", or write a password: not every one takes identity tokens"
                    if self._login.identity
                    else ""
                ),
            )
        found = oci.parse(self._document(answer, realm), where)
        # Either name, by the same specification: the second is OAuth 2's.
        token = found.get("token") or found.get("access_token")
        # It becomes a header: a newline in it would begin another one.
        if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
            oci.unfit(where, "gives no token")
        if len(token) > _MOST_TOKEN:
            oci.unfit(where, f"gives a token of more than {_MOST_TOKEN} bytes")
        return Secret(f"Bearer {token}")

    def _require_service(self, realm: str) -> None:
        """Refuse an address that no password may go to.

        The registry chooses it: it must be https, or the catalog's own server.

        Raises:
            CatalogError: It is neither.
        """
        try:
            named = address(realm)
        except ValueError:
            named = None
        own = realm.startswith(f"{self._base}/")
        if named is None or named.user or "#" in realm or not (named.scheme == "https" or own):
            raise CatalogError(
                "MA7244",
                f"{self.address} names no address for tokens over https",
                hint="look at the registry's own settings (realm)",
            )

    def _basic(self) -> Secret:
        password = self._login.password.reveal() if self._login.password else ""
        word = f"{self._login.user}:{password}"
        return Secret("Basic " + base64.b64encode(word.encode()).decode())

    def _where(self, url: str) -> str:
        parts = urlsplit(url)
        # With its port: two registries of one machine differ by nothing else. Without the query, which may
        # hold a signature of a store, and without a user.
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _refusal(self, status: int, *, by: str = "", url: str = "") -> CatalogError:
        # 401 and 403 alike: registries answer either, also for what does not exist.
        if status in (401, 403) or by:
            hint = "look at the name and the password for it in the credentials file"
            if self._login.identity is not None:
                hint = "log in again, since an identity token expires; or write a password"
            elif self._login.password is None:
                hint = "it requires credentials: --credentials FILE (as `docker login` writes it)"
            who = f"{by} of {self.address}" if by else self.address
            return CatalogError("MA7244", f"{who} refuses access ({status})", hint=hint)
        what = f"{self._where(url)} answers {status}"
        if status in _LATER:
            return BrokenError("MA7247", what, hint="try again; the registry's own log says why")
        return CatalogError("MA7243", what, hint="look whether this address is a registry")


def _challenges(headers: Mapping[str, str]) -> Challenges:
    """Read what a server asks for: each scheme in lower case, and its parameters."""
    found: list[tuple[str, dict[str, str]]] = []
    header = headers.get("www-authenticate", "")
    for name, quoted, plain, scheme in re.findall(_CHALLENGE, header):
        if scheme:
            found.append((scheme.lower(), {}))
        elif found:
            found[-1][1][name.lower()] = quoted or plain
    return found


def credentials(data: bytes, host: str, where: str) -> Login:
    """Read the login at a registry from a file such as `docker login` writes.

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
            return Login()
        # What `docker login` leaves where a helper of the desktop keeps the password.
        if not entry:
            raise CatalogError(
                "MA7244",
                f"{where} has no password, but a credential helper, for {host}, which is not supported",
                hint="write the password, or an access token in its place: "
                '{"auths": {"registry.example": {"auth": BASE64 OF user:password}}}',
            )
        identity = entry.get("identitytoken")
        if identity:
            # Beside it is a user without a password, which is nobody's.
            if not isinstance(identity, str):
                raise refusal
            return Login(identity=Secret(identity))
        if "auth" in entry:
            user, _, password = (
                base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            )
        else:
            user, password = str(entry["username"]), str(entry["password"])
    except (ValueError, KeyError, TypeError, AttributeError, msgspec.DecodeError, RecursionError):
        # Without the cause, which may quote the password.
        raise refusal from None
    return Login(user, Secret(password))


def _host(name: str) -> str:
    # `docker login` notes Docker Hub by a URL, and others by their host.
    return name.partition("://")[2].partition("/")[0] if "://" in name else name.partition("/")[0]
