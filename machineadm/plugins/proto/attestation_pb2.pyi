from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AttestRequest(_message.Message):
    __slots__ = ("challenge",)
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    def __init__(self, challenge: _Optional[bytes] = ...) -> None: ...

class AttestResponse(_message.Message):
    __slots__ = ("format", "evidence")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    format: str
    evidence: bytes
    def __init__(self, format: _Optional[str] = ..., evidence: _Optional[bytes] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("challenge", "format", "evidence")
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    challenge: bytes
    format: str
    evidence: bytes
    def __init__(self, challenge: _Optional[bytes] = ..., format: _Optional[str] = ..., evidence: _Optional[bytes] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("trusted", "identity", "reason")
    TRUSTED_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    trusted: bool
    identity: str
    reason: str
    def __init__(self, trusted: _Optional[bool] = ..., identity: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
