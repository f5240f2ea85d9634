"""MA15xx: EncryptedData, and the passphrases that open them."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1501": Code(
        "no passphrase for EncryptedData",
        "The stream holds ciphertext, and nothing that is at hand knows its provider's passphrase. Nothing was "
        "touched.",
        "Put the passphrase into /etc/machineadm/passphrases/PROVIDER (owned by root, mode 0600), or name it by "
        "--passphrase-file or --passphrase-fd.",
    ),
    "MA1502": Code(
        "EncryptedData does not open",
        "The passphrase is not the one it was encrypted with, or a byte of the data was changed: which of the two, "
        "nobody can tell. Nothing of it was read.",
        "Compare the passphrase with the one that encrypted the documents (a trailing newline of its file is "
        "dropped, one only). If it is right, take the data again from its source.",
    ),
    "MA1503": Code(
        "EncryptedData opens to too much",
        "All plaintext of a stream together is more than is read (16 MiB), perhaps because it grows a thousandfold "
        "when it is decompressed.",
        "Put large contents elsewhere: `source` of a file fetches them by URL, with their digest.",
    ),
    "MA1504": Code(
        "EncryptedData opens to damaged gzip",
        "The data is what its author encrypted, and what was encrypted begins as gzip and is cut off.",
        "Encrypt the documents again; `machineadm encrypt` compresses them itself.",
    ),
    "MA1505": Code(
        "too much key derivation",
        "The documents of the stream together ask for more than 20,000,000 rounds (sha-256 counts twice, for its "
        "digests are half as long): a node would compute for minutes. None of them was opened.",
        "Encrypt with fewer iterations, or more documents in one EncryptedData.",
    ),
    "MA1506": Code(
        "EncryptedData nested too deep",
        "An EncryptedData opens to another one, and that to another: at most four deep.",
        "Encrypt the documents fewer times.",
    ),
    "MA1507": Code(
        "EncryptedData without mac",
        "With aes-256-cbc, anyone who carries the ciphertext can change what it opens to, unless `mac` vouches for it.",
        "Encrypt the documents again with `machineadm encrypt`, which always writes it. If you know where the data "
        "comes from, --allow-unauthenticated-encryption opens it; no environment variable can.",
    ),
    "MA1508": Code(
        "unfit parameter of EncryptedData",
        "Salt, iv, mac or ciphertext has a length that it cannot have, or is base64 that no encoder writes.",
        "Take the data again from where it was encrypted.",
    ),
    "MA1509": Code(
        "too much for one EncryptedData",
        "The documents, compressed, are more than one EncryptedData holds (3 MiB).",
        "Encrypt them in several parts; a stream takes many EncryptedData.",
    ),
    "MA1510": Code(
        "passphrase cannot be read",
        "The file or descriptor that should give the passphrase cannot be read. Nothing was touched.",
        "Look at the path and who may read it; a descriptor must be open when the agent starts. "
        "/etc/machineadm/passphrases can be read by root alone: another user names a file of their own.",
    ),
    "MA1511": Code(
        "passphrase file is not private",
        "A file in /etc/machineadm/passphrases belongs to another user than root, can be read by others, or is a "
        "link or a device: the passphrase may be known, or may be somebody else's.",
        "If nobody has read it: chown root FILE; chmod 0600 FILE. Else make a new passphrase and encrypt again.",
    ),
    "MA1512": Code(
        "no fit passphrase",
        "The passphrase is empty, or longer than 4096 bytes.",
        "Look at what wrote it: an empty file often comes from a command that failed.",
    ),
    "MA1513": Code(
        "nothing to decrypt",
        "The input has no EncryptedData, or has one that stands in one part of the stream with other documents.",
        "Look whether --path names the right file; put a line `---` between documents.",
    ),
}
