from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class FetchPassphraseRequest(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: str
    def __init__(self, provider: _Optional[str] = ...) -> None: ...

class FetchPassphraseResponse(_message.Message):
    __slots__ = ("passphrase",)
    PASSPHRASE_FIELD_NUMBER: _ClassVar[int]
    passphrase: bytes
    def __init__(self, passphrase: _Optional[bytes] = ...) -> None: ...

class StorePassphraseRequest(_message.Message):
    __slots__ = ("provider", "passphrase")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PASSPHRASE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    passphrase: bytes
    def __init__(self, provider: _Optional[str] = ..., passphrase: _Optional[bytes] = ...) -> None: ...

class StorePassphraseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeletePassphraseRequest(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: str
    def __init__(self, provider: _Optional[str] = ...) -> None: ...

class DeletePassphraseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
