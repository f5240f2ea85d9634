"""MA18xx: signing and publishing a release (`python -m signing`)."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1801": Code(
        "no key",
        "There is no key to sign or to verify with. Nothing was written.",
        "To sign give --key file:PATH, env:NAME or pkcs11:...; to verify --key FILE, or --fingerprint.",
    ),
    "MA1802": Code(
        "key URI not understood",
        "The key is not given as file:PATH, env:NAME or a PKCS#11 URI (RFC 7512) with module-path and "
        "pin-source. It is not repeated here, because it may hold a secret.",
        "Correct the URI. A key or a PIN is never given on the command line.",
    ),
    "MA1803": Code(
        "secret that others can read",
        "A private key, passphrase or PIN is in a file that belongs to another user, or that its "
        "group or everyone can read. It was not used.",
        "chmod 600 it. If others could read it for a while, revoke the key (docs/verify.md).",
    ),
    "MA1804": Code(
        "no private key",
        "The file or variable holds no private key in PEM that can be read.",
        "`python -m signing keygen` makes one.",
    ),
    "MA1805": Code(
        "private key of another kind",
        "Releases are signed with ECDSA over the curve P-256; this key is of another kind.",
        "`python -m signing keygen` makes one; in a token choose the curve secp256r1 (prime256v1).",
    ),
    "MA1806": Code(
        "no passphrase",
        "The key is encrypted and no passphrase is given, or a passphrase or PIN is empty.",
        "Give --passphrase-file or --passphrase-fd; for a token pin-source in its URI.",
    ),
    "MA1807": Code(
        "wrong passphrase",
        "The passphrase does not open the key, or the key is damaged.",
        "Look for a blank or newline at its end: only one newline is dropped.",
    ),
    "MA1808": Code(
        "key file exists",
        "keygen writes to new files only, so that no key is ever lost.",
        "Choose another name, or move the old key away.",
    ),
    "MA1809": Code(
        "token refused",
        "The PKCS#11 module could not be loaded, or the token refused: no such token or key, several "
        "of that name, a wrong PIN. The message holds the module's own word.",
        "`pkcs11-tool --module MODULE --list-objects --login` shows what the token has. A token locks "
        "itself after some wrong PINs.",
    ),
    "MA1811": Code(
        "unfit release directory",
        "It holds something that cannot be part of a release: a link, a directory, an empty file, a "
        "private key, a strange name; or nothing at all.",
        "Take it away, or make the release again with `make release`.",
    ),
    "MA1812": Code(
        "build.json is unfit",
        "Signing takes commit and date from build.json and the version from there or from the "
        "directory's name; one of them is missing or no such thing.",
        "`make release` writes build.json; the directory is called as the version, such as v0.3.1.",
    ),
    "MA1813": Code(
        "published keys lack the signing key",
        "The file given by --public does not hold the public half of the key that signs, so that "
        "nobody could verify the release.",
        "Add its public half, or sign with the other key.",
    ),
    "MA1814": Code(
        "signed release does not verify",
        "After signing, the release is verified as others will do it, and that failed: a file changed "
        "meanwhile, or a token signs wrongly.",
        "Sign again with nothing else writing there; do not publish it.",
    ),
    "MA1815": Code(
        "option that a single file cannot answer",
        "A file's signature binds neither its version nor its name.",
        "Verify the whole release directory, or leave the option out.",
    ),
    "MA1820": Code(
        "file cannot be read",
        "A file of the release, a key or a list cannot be read; the message says why.",
        "Look at its path and mode.",
    ),
    "MA1821": Code(
        "file cannot be written",
        "A file cannot be written: no space, no permission, a read-only file system. What was there "
        "before is as it was.",
        "Make room or choose another directory, and run it again.",
    ),
    "MA1830": Code(
        "sigstore bundle cannot be read",
        "FILE.sigstore.json is not a bundle v0.3 for a plain key, or it names another key.",
        "Fetch it again, or sign the release again.",
    ),
    "MA1831": Code(
        "sigstore bundle of another file",
        "The bundle's digest is not that of the file beside it.",
        "Fetch file and bundle again.",
    ),
    "MA1850": Code(
        "destination not understood",
        "The URI to publish to, or the endpoint, cannot be one. Nothing was read or written.",
        "gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, file:DIR or a directory; the endpoint is a plain http or "
        "https URL without a user or password: credentials come from the store's own chain.",
    ),
    "MA1851": Code(
        "not a channel's name",
        "A channel is named by up to 63 lowercase letters, digits and dashes; `latest` moves by itself.",
        "Choose another name, such as stable, or v1-2 for the patches of one line.",
    ),
    "MA1852": Code(
        "version published already, with other content",
        "Under this version's name the store holds a file with other bytes, or one that is not part of the "
        "release. Nothing was written over, no pointer moved.",
        "A released version never changes: publish the change as a new version. If release.json is not there, "
        "an earlier run was cut off before it released anything: remove its files, publish again.",
    ),
    "MA1853": Code(
        "pointer would go back",
        "The channel points to a newer version than the one to publish. If that was so from the start, nothing "
        "was written; if another publisher was faster, the release is there and the channel is the other's.",
        "Publish older lines to a channel of their own (--channel). To withdraw the newer one: "
        "--allow-rollback, which moves `latest` back, too.",
    ),
    "MA1854": Code(
        "another publisher is at work",
        "The pointer changed each time it was about to be written. The release itself is published.",
        "Let one publisher run at a time; run the command again.",
    ),
    "MA1855": Code(
        "store refuses",
        "There are no credentials, or they do not suffice for what was tried. Files that were written stay.",
        "docs/publishing.md names each store's chain of credentials and the permissions that are needed. Then "
        "run the command again: it goes on where it stopped.",
    ),
    "MA1856": Code(
        "store does not answer",
        "One request kept failing until its budget was used up: no connection, time-outs, a server that is "
        "busy or broken. Every file that is there is whole, and no pointer leads nowhere.",
        "Look at the network and the endpoint; run the command again: it goes on where it stopped.",
    ),
    "MA1857": Code(
        "store gives back other bytes",
        "A file was written, read back, and differs or is not there. Nothing points to it.",
        "Look at the store: a proxy that rewrites or compresses, a rule that deletes. Remove the file and "
        "publish again.",
    ),
    "MA1858": Code(
        "destination does not exist",
        "The bucket, or the directory, that should hold the releases is not there.",
        "Look at its name; create it. Publishing creates none, so that a slip of the pen makes no second one.",
    ),
    "MA1859": Code(
        "store failed",
        "The store, or the file system, said something else than yes, no or later: the message has its word. "
        "A full disk is reported here, too. Every file that is there is whole.",
        "Fix the cause and run the command again: it goes on where it stopped.",
    ),
    "MA1861": Code(
        "pointer cannot be read",
        "Where a pointer should be there is something else, or one of a newer form. Nothing was written.",
        "Look who wrote it. --allow-rollback writes over it.",
    ),
    "MA1862": Code(
        "directory without wheels",
        "The directory given by --wheels holds no wheel, or something that is not one.",
        "Give the directory that `make verify-release WHEELS=DIR` reads.",
    ),
    "MA1863": Code(
        "published keys are not the trusted ones",
        "machineadm.pub of this release, which nothing signs, lacks the key that is to sign pointers or bundle, or "
        "holds one that is neither that key nor given by --public. Nothing was written.",
        "Sign with the key of the release. While one key replaces the other, `sign --public FILE` puts both there and "
        "--public FILE names both here. If you do not know a key, somebody put it there: sign again.",
    ),
}
