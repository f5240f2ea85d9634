"""Codes of what an image says to the agent: MA123x."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE = {
    "MA1230": Code(
        "the image's agent.yaml is not valid",
        "/etc/machineadm/agent.yaml is not one valid AgentConfiguration. Nothing was touched: without it nobody knows what the image demands.",
        "Fix the file where the message says; docs/base-configuration.md has its fields.",
    ),
    "MA1231": Code(
        "the image's configuration is not root's alone",
        "/etc/machineadm/agent.yaml, a directory that it names or a fragment in one is missing, is a link, belongs to another user "
        "than root, or may be written by group or others. It decides what root does, so it was not read.",
        "Find out who changed it. Then: chown root FILE; chmod go-w FILE. A link is replaced by what it leads to.",
    ),
    "MA1232": Code(
        "the configuration is not signed",
        "The image's /etc/machineadm/agent.yaml, or --require-signature, demands a signature, and an input has none. It was not even "
        "decoded, and nothing was touched.",
        "Sign the file (`openssl dgst -sha256 -sign KEY -out FILE.sig FILE`) and put the signature beside it. Standard input cannot be signed: write a file.",
    ),
}
