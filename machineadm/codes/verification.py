"""MA17xx: digests, keys, signatures and release documents."""

from __future__ import annotations

from machineadm.codes.model import Code

_ANEW = "Fetch the file and its signature again, from another location if possible."
_SUSPECT = "If another copy shows the same, do not use it: the store, or the way to it, may have been tampered with."

TABLE: dict[str, Code] = {
    "MA1701": Code(
        "public key is damaged",
        "A PEM block or its DER is damaged or cut off.",
        "Copy the key file again; compare its fingerprint (docs/verify.md).",
    ),
    "MA1702": Code(
        "public key of another kind",
        "Releases are signed with ECDSA on the curve P-256; this key is RSA, Ed25519, of another "
        "curve, or a certificate.",
        "Use the project's machineadm.pub, or for your own releases a key made by "
        "`python -m signing keygen`.",
    ),
    "MA1703": Code(
        "private key instead of a public one",
        "There is a private key where a public key is expected. It was neither shown nor kept.",
        "Replace it with its public half (`openssl pkey -in KEY -pubout`). If others could read this "
        "place, the key is no longer secret: revoke it.",
    ),
    "MA1704": Code(
        "no public key",
        "The text has no PUBLIC KEY block, so there is nothing to verify a signature with.",
        "Use one or two ECDSA P-256 public keys in PEM.",
    ),
    "MA1705": Code(
        "key with another fingerprint",
        "The key beside the release does not have any of the given fingerprints, so it "
        "proves nothing.",
        "Compare with the fingerprint that the project publishes. After a rotation both the old and "
        "the new one are published.",
    ),
    "MA1706": Code(
        "too many public keys",
        "There are more than two public keys. Two are enough: the current one, and during a rotation the next.",
        "Remove those that no longer sign.",
    ),
    "MA1710": Code(
        "signature does not verify",
        "None of the keys made this signature for this file: the file or the signature was "
        "changed, cut off or swapped, or another key signed it.",
        f"{_ANEW} {_SUSPECT}",
    ),
    "MA1711": Code(
        "signature is empty",
        "The signature has no bytes.",
        _ANEW,
    ),
    "MA1712": Code(
        "signature is base64",
        "The signature is base64 text. `openssl dgst` refuses that, so machineadm does too.",
        "Decode it with `base64 -d`; signing writes the raw DER bytes to FILE.sig.",
    ),
    "MA1713": Code(
        "no signature",
        "The bytes are not an ECDSA signature in DER, perhaps an error page saved in its place.",
        _ANEW,
    ),
    "MA1720": Code(
        "another digest",
        "The SHA-256 of the file is not the expected one. It was not used.",
        f"{_ANEW} {_SUSPECT}",
    ),
    "MA1721": Code(
        "another size",
        "The file is shorter or longer than the release says; usually the download was cut off.",
        _ANEW,
    ),
    "MA1722": Code(
        "list of digests cannot be read",
        "SHA256SUMS has a line that is not a digest, two spaces and a plain file name, or it is "
        "empty or cut off.",
        _ANEW,
    ),
    "MA1723": Code(
        "file is not part of the release",
        "release.json names no file of this name.",
        "See the names that the hint lists; another version may have it.",
    ),
    "MA1724": Code(
        "file of the release is missing",
        "A file that release.json names, or a signature, is not in the directory.",
        "Fetch the release again, whole.",
    ),
    "MA1725": Code(
        "a file that is not part of the release",
        "The directory, or SHA256SUMS, has a file that release.json does not name.",
        "Remove it. If the release was just built, sign it again.",
    ),
    "MA1726": Code(
        "SHA256SUMS and release.json disagree",
        "Both are signed, but they are from different releases.",
        _ANEW,
    ),
    "MA1730": Code(
        "release document cannot be read",
        "release.json or a pointer is signed, but not in the format that this program knows, or a "
        "version is not valid.",
        "It may come from a newer release than this program: use the program of that release.",
    ),
    "MA1731": Code(
        "another version than asked for",
        "The release is signed, but it is not the requested version.",
        "Ask for the version that you want. If you did, distrust the store.",
    ),
    "MA1732": Code(
        "older version than known",
        "A release or pointer is signed, but older than one seen before: somebody may be replaying "
        "an old release with known bugs.",
        "Fetch it from another location. To go back on purpose, ask for that version explicitly.",
    ),
    "MA1733": Code(
        "pointer of another channel",
        "A pointer names the channel it is made for, and this one was served for another.",
        "Fetch it from another location; the store may be set up wrong.",
    ),
    "MA1734": Code(
        "pointer and release disagree",
        "The pointer has the digest of a release.json, and the one found has another.",
        f"{_ANEW} A released version is never replaced.",
    ),
    "MA1740": Code(
        "nothing to verify with",
        "A file must be verified, and neither a digest nor a key is given.",
        "Give its SHA-256, a public key, or both.",
    ),
    "MA1741": Code(
        "signature is missing",
        "A key is given, so the file must be signed, and no signature was found.",
        "Put the signature beside the file, as FILE.sig.",
    ),
}
