"""MA18xx: signing and publishing a release (`python -m signing`)."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1801": Code(
        "no key",
        "There is no key to sign or verify with. Nothing was written.",
        "To sign use --key file:PATH, env:NAME or pkcs11:...; to verify use --key FILE or --fingerprint.",
    ),
    "MA1802": Code(
        "key URI not understood",
        "The key is not given as file:PATH, env:NAME or a PKCS#11 URI (RFC 7512) with module-path and "
        "pin-source. It is not repeated here, because it may hold a secret.",
        "Fix the URI. Never put a key or a PIN on the command line.",
    ),
    "MA1803": Code(
        "secret that others can read",
        "A private key, passphrase or PIN is in a file that belongs to another user, or is readable by "
        "its group or everyone. It was not used.",
        "chmod 600 it. If others could read it for a while, revoke the key (docs/verify.md).",
    ),
    "MA1804": Code(
        "no private key",
        "The file or variable does not contain a readable private key in PEM.",
        "`python -m signing keygen` creates one.",
    ),
    "MA1805": Code(
        "private key of another kind",
        "Releases are signed with ECDSA on the curve P-256; this is a different kind of key.",
        "`python -m signing keygen` creates one; in a token choose the curve secp256r1 (prime256v1).",
    ),
    "MA1806": Code(
        "no passphrase",
        "The key is encrypted and there is no passphrase, or a passphrase or PIN is empty.",
        "Use --passphrase-file or --passphrase-fd; for a token, pin-source in its URI.",
    ),
    "MA1807": Code(
        "wrong passphrase",
        "The passphrase does not open the key, or the key is damaged.",
        "Look for a blank or newline at its end: only one newline is removed.",
    ),
    "MA1808": Code(
        "key file exists",
        "keygen writes only new files, so that no key is ever lost.",
        "Choose another name, or move the old key away.",
    ),
    "MA1809": Code(
        "token refused",
        "The PKCS#11 module could not be loaded, or the token refused: no such token or key, several "
        "of that name, a wrong PIN. The message has the module's own error.",
        "`pkcs11-tool --module MODULE --list-objects --login` shows what the token has. A token locks "
        "itself after some wrong PINs.",
    ),
    "MA1811": Code(
        "invalid release directory",
        "It contains something that cannot be part of a release: a link, a directory, an empty file, a "
        "private key, an invalid name; or it is empty.",
        "Remove it, or make the release again with `make release`.",
    ),
    "MA1812": Code(
        "build.json is invalid",
        "Signing takes commit and date from build.json and the version from there or from the "
        "directory's name; one of them is missing or invalid.",
        "`make release` writes build.json; the directory's name is the version, such as v0.3.1.",
    ),
    "MA1813": Code(
        "published keys lack the signing key",
        "The file given by --public does not contain the public half of the signing key, so "
        "nobody could verify the release.",
        "Add its public half, or sign with the other key.",
    ),
    "MA1814": Code(
        "signed release does not verify",
        "The release is verified after signing, as users will verify it, and that failed: a file changed "
        "meanwhile, or the token produced a bad signature.",
        "Do not publish it. Sign again while nothing else writes there.",
    ),
    "MA1815": Code(
        "option that needs a whole release",
        "A file's signature covers neither its version nor its name.",
        "Verify the whole release directory, or leave the option out.",
    ),
    "MA1820": Code(
        "file cannot be read",
        "A file of the release, a key or a list cannot be read; the message says why.",
        "Check its path and mode.",
    ),
    "MA1821": Code(
        "file cannot be written",
        "A file cannot be written: no space, no permission, a read-only file system. Existing files "
        "are unchanged.",
        "Free some space or choose another directory, and run it again.",
    ),
    "MA1830": Code(
        "sigstore bundle cannot be read",
        "FILE.sigstore.json is not a bundle v0.3 for a plain key, or it names another key.",
        "Fetch it again, or sign the release again.",
    ),
    "MA1831": Code(
        "sigstore bundle of another file",
        "The bundle's digest does not match the file beside it.",
        "Fetch file and bundle again.",
    ),
    "MA1850": Code(
        "destination not understood",
        "The URI to publish to, or the endpoint, is not valid. Nothing was read or written.",
        "Use gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, file:DIR or a directory; the endpoint is a plain http or "
        "https URL without a user or password: credentials come from the store's own chain.",
    ),
    "MA1851": Code(
        "not a channel's name",
        "A channel name has up to 63 lowercase letters, digits and dashes; `latest` moves automatically.",
        "Choose another name, such as stable, or v1-2 for the patches of one release line.",
    ),
    "MA1852": Code(
        "version published already, with other content",
        "The store already has this version with a file of different content, or one that is not part of the "
        "release. Nothing was overwritten, and no pointer moved.",
        "A released version never changes: publish the change as a new version. If release.json is missing, "
        "an earlier run was cut off before it released anything: remove its files and publish again.",
    ),
    "MA1853": Code(
        "pointer would go back",
        "The channel points to a newer version than the one to publish. Nothing was written, unless another "
        "publisher moved the channel meanwhile: then this release is published, but the channel points to theirs.",
        "Publish older release lines to their own channel (--channel). To withdraw the newer release use "
        "--allow-rollback, which also moves `latest` back.",
    ),
    "MA1854": Code(
        "another publisher is at work",
        "The pointer changed every time before it could be written. The release itself is published.",
        "Run one publisher at a time, and run the command again.",
    ),
    "MA1855": Code(
        "store refuses",
        "There are no credentials, or they do not allow the operation. Files already written stay.",
        "docs/publishing.md lists each store's credential chain and the permissions needed. Then "
        "run the command again: it continues where it stopped.",
    ),
    "MA1856": Code(
        "store does not answer",
        "A request kept failing until its retry budget was used up: no connection, timeouts, a server that is "
        "busy or broken. Every file in the store is complete, and no pointer is dangling.",
        "Check the network and the endpoint, and run the command again: it continues where it stopped.",
    ),
    "MA1857": Code(
        "the store returns other bytes",
        "A file was written and read back, and differs or is missing. Nothing points to it.",
        "Check the store for a proxy that rewrites or compresses, or a rule that deletes. Remove the file and "
        "publish again.",
    ),
    "MA1858": Code(
        "destination does not exist",
        "The bucket or directory for the releases does not exist.",
        "Check its name, or create it. Publishing never creates one, so that a typo does not make a second one.",
    ),
    "MA1859": Code(
        "store failed",
        "The store or the file system returned an unexpected error, which the message quotes. "
        "A full disk is also reported here. Every file in the store is complete.",
        "Fix the cause and run the command again: it continues where it stopped.",
    ),
    "MA1861": Code(
        "pointer cannot be read",
        "There is something else in the pointer's place, or a pointer in a newer format. Nothing was written.",
        "Find out who wrote it. --allow-rollback overwrites it.",
    ),
    "MA1862": Code(
        "directory without wheels",
        "The directory given by --wheels has no wheel, or something that is not a wheel.",
        "Use the directory that `make verify-release WHEELS=DIR` reads.",
    ),
    "MA1863": Code(
        "published keys are not the trusted ones",
        "machineadm.pub of this release, which is not signed, lacks the key that will sign the pointers or bundle, or "
        "has one that is neither that key nor given by --public. Nothing was written.",
        "Sign with the key of the release. During a key rotation, `sign --public FILE` adds both keys and "
        "--public FILE names both here. A key that you do not know was planted: sign again.",
    ),
}
