"""MA15xx: EncryptedData, and the passphrases that open them."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1501": Code(
        "no passphrase for EncryptedData",
        "The stream holds ciphertext, and there is no passphrase for its provider. Nothing was "
        "touched.",
        "Put the passphrase into /etc/machineadm/passphrases/PROVIDER (owned by root, mode 0600), or give it with "
        "--passphrase-file or --passphrase-fd.",
    ),
    "MA1502": Code(
        "EncryptedData cannot be decrypted",
        "Either the passphrase is not the one it was encrypted with, or the data was changed; nobody can tell "
        "which. Nothing of it was used.",
        "Compare the passphrase with the one that encrypted the documents (a trailing newline of its file is "
        "dropped, one only). If it is right, get the data again from its source.",
    ),
    "MA1503": Code(
        "EncryptedData decrypts to too much",
        "The plaintext of the whole stream is above the limit of 16 MiB, perhaps because it is compressed a thousandfold.",
        "Move large contents out: a file's `source` fetches them by URL, checked by digest.",
    ),
    "MA1504": Code(
        "EncryptedData decrypts to damaged gzip",
        "The data is intact, but what its author encrypted is gzip that is cut off or damaged.",
        "Encrypt the documents again; `machineadm encrypt` compresses them itself.",
    ),
    "MA1505": Code(
        "too much key derivation",
        "The documents of the stream together need more than 20,000,000 iterations (sha-256 counts twice, because its "
        "digests are half as long): a machine would compute for minutes. None of them was decrypted.",
        "Encrypt with fewer iterations, or more documents in one EncryptedData.",
    ),
    "MA1506": Code(
        "EncryptedData nested too deep",
        "EncryptedData contains EncryptedData; at most four levels are allowed.",
        "Encrypt the documents fewer times.",
    ),
    "MA1507": Code(
        "EncryptedData without mac",
        "With aes-256-cbc and no `mac`, anyone who handles the ciphertext can change what it decrypts to.",
        "Encrypt the documents again with `machineadm encrypt`, which always writes it. If you know where the data "
        "comes from, --allow-unauthenticated-encryption opens it; no environment variable can.",
    ),
    "MA1508": Code(
        "invalid parameter of EncryptedData",
        "Salt, iv, mac or ciphertext has an impossible length, or is base64 that no encoder writes.",
        "Get the data again from where it was encrypted.",
    ),
    "MA1509": Code(
        "too much for one EncryptedData",
        "The compressed documents are larger than one EncryptedData may be (3 MiB).",
        "Encrypt them in several parts; a stream may contain many EncryptedData.",
    ),
    "MA1510": Code(
        "passphrase cannot be read",
        "The file or descriptor that should give the passphrase cannot be read. Nothing was touched.",
        "Look at the path and who may read it; a descriptor must be open when the agent starts. "
        "Only root can read /etc/machineadm/passphrases; as another user use your own file.",
    ),
    "MA1511": Code(
        "passphrase file is not private",
        "A file in /etc/machineadm/passphrases does not belong to root, can be read by others, or is a "
        "link or a device: the passphrase may be known to others, or may have been planted.",
        "If nobody else has read it: chown root FILE; chmod 0600 FILE. Otherwise make a new passphrase and encrypt again.",
    ),
    "MA1512": Code(
        "invalid passphrase",
        "The passphrase is empty, or longer than 4096 bytes.",
        "Check what wrote it: an empty file often comes from a command that failed.",
    ),
    "MA1513": Code(
        "nothing to decrypt",
        "The input has no EncryptedData, or has one that is not separated from other documents.",
        "Check that --path names the right file; put a line `---` between documents.",
    ),
}
