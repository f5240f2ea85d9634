from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetProvidersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetProvidersResponse(_message.Message):
    __slots__ = ("provider_names",)
    PROVIDER_NAMES_FIELD_NUMBER: _ClassVar[int]
    provider_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, provider_names: _Optional[_Iterable[str]] = ...) -> None: ...

class GetProviderDescriptorRequest(_message.Message):
    __slots__ = ("provider_name",)
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    def __init__(self, provider_name: _Optional[str] = ...) -> None: ...

class GetProviderDescriptorResponse(_message.Message):
    __slots__ = ("descriptor",)
    DESCRIPTOR_FIELD_NUMBER: _ClassVar[int]
    descriptor: ProviderDescriptor
    def __init__(self, descriptor: _Optional[_Union[ProviderDescriptor, _Mapping]] = ...) -> None: ...

class ProviderDescriptor(_message.Message):
    __slots__ = ("name", "display_name", "description", "version", "category", "capabilities", "schema", "output_schemas", "api_version", "sensitive_fields", "tags", "icon", "links", "examples", "maintainers", "deprecated", "beta", "raw_schema", "raw_output_schemas", "has_extract_dependencies", "write_operations")
    class OutputSchemasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Schema
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Schema, _Mapping]] = ...) -> None: ...
    class RawOutputSchemasEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    SENSITIVE_FIELDS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ICON_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    MAINTAINERS_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    RAW_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RAW_OUTPUT_SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    HAS_EXTRACT_DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    WRITE_OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    version: str
    category: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    schema: Schema
    output_schemas: _containers.MessageMap[str, Schema]
    api_version: str
    sensitive_fields: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    icon: str
    links: _containers.RepeatedCompositeFieldContainer[Link]
    examples: _containers.RepeatedCompositeFieldContainer[Example]
    maintainers: _containers.RepeatedCompositeFieldContainer[Contact]
    deprecated: bool
    beta: bool
    raw_schema: bytes
    raw_output_schemas: _containers.ScalarMap[str, bytes]
    has_extract_dependencies: bool
    write_operations: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., version: _Optional[str] = ..., category: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., schema: _Optional[_Union[Schema, _Mapping]] = ..., output_schemas: _Optional[_Mapping[str, Schema]] = ..., api_version: _Optional[str] = ..., sensitive_fields: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., icon: _Optional[str] = ..., links: _Optional[_Iterable[_Union[Link, _Mapping]]] = ..., examples: _Optional[_Iterable[_Union[Example, _Mapping]]] = ..., maintainers: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ..., deprecated: _Optional[bool] = ..., beta: _Optional[bool] = ..., raw_schema: _Optional[bytes] = ..., raw_output_schemas: _Optional[_Mapping[str, bytes]] = ..., has_extract_dependencies: _Optional[bool] = ..., write_operations: _Optional[_Iterable[str]] = ...) -> None: ...

class Link(_message.Message):
    __slots__ = ("name", "url")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    name: str
    url: str
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...

class Example(_message.Message):
    __slots__ = ("name", "description", "yaml")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    YAML_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    yaml: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., yaml: _Optional[str] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("name", "email")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ...) -> None: ...

class Schema(_message.Message):
    __slots__ = ("parameters",)
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Parameter
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Parameter, _Mapping]] = ...) -> None: ...
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    parameters: _containers.MessageMap[str, Parameter]
    def __init__(self, parameters: _Optional[_Mapping[str, Parameter]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("type", "required", "description", "default_value", "example", "max_length", "pattern", "pattern_description", "min_length", "minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "enum_values", "format", "min_items", "max_items", "has_minimum", "has_maximum", "has_exclusive_minimum", "has_exclusive_maximum")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_VALUE_FIELD_NUMBER: _ClassVar[int]
    EXAMPLE_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    PATTERN_DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MIN_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_MINIMUM_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    ENUM_VALUES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MIN_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    HAS_MINIMUM_FIELD_NUMBER: _ClassVar[int]
    HAS_MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    HAS_EXCLUSIVE_MINIMUM_FIELD_NUMBER: _ClassVar[int]
    HAS_EXCLUSIVE_MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    type: str
    required: bool
    description: str
    default_value: bytes
    example: str
    max_length: int
    pattern: str
    pattern_description: str
    min_length: int
    minimum: float
    maximum: float
    exclusive_minimum: float
    exclusive_maximum: float
    enum_values: _containers.RepeatedScalarFieldContainer[bytes]
    format: str
    min_items: int
    max_items: int
    has_minimum: bool
    has_maximum: bool
    has_exclusive_minimum: bool
    has_exclusive_maximum: bool
    def __init__(self, type: _Optional[str] = ..., required: _Optional[bool] = ..., description: _Optional[str] = ..., default_value: _Optional[bytes] = ..., example: _Optional[str] = ..., max_length: _Optional[int] = ..., pattern: _Optional[str] = ..., pattern_description: _Optional[str] = ..., min_length: _Optional[int] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., exclusive_minimum: _Optional[float] = ..., exclusive_maximum: _Optional[float] = ..., enum_values: _Optional[_Iterable[bytes]] = ..., format: _Optional[str] = ..., min_items: _Optional[int] = ..., max_items: _Optional[int] = ..., has_minimum: _Optional[bool] = ..., has_maximum: _Optional[bool] = ..., has_exclusive_minimum: _Optional[bool] = ..., has_exclusive_maximum: _Optional[bool] = ...) -> None: ...

class ExecuteProviderRequest(_message.Message):
    __slots__ = ("provider_name", "input", "context", "dry_run", "execution_mode", "working_directory", "output_directory", "conflict_strategy", "backup", "iteration_context", "parameters", "solution_metadata")
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_MODE_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    CONFLICT_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    BACKUP_FIELD_NUMBER: _ClassVar[int]
    ITERATION_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    SOLUTION_METADATA_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    input: bytes
    context: bytes
    dry_run: bool
    execution_mode: str
    working_directory: str
    output_directory: str
    conflict_strategy: str
    backup: bool
    iteration_context: IterationContext
    parameters: bytes
    solution_metadata: SolutionMeta
    def __init__(self, provider_name: _Optional[str] = ..., input: _Optional[bytes] = ..., context: _Optional[bytes] = ..., dry_run: _Optional[bool] = ..., execution_mode: _Optional[str] = ..., working_directory: _Optional[str] = ..., output_directory: _Optional[str] = ..., conflict_strategy: _Optional[str] = ..., backup: _Optional[bool] = ..., iteration_context: _Optional[_Union[IterationContext, _Mapping]] = ..., parameters: _Optional[bytes] = ..., solution_metadata: _Optional[_Union[SolutionMeta, _Mapping]] = ...) -> None: ...

class ExecuteProviderResponse(_message.Message):
    __slots__ = ("output", "error", "exit_code", "diagnostics")
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    output: bytes
    error: str
    exit_code: int
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, output: _Optional[bytes] = ..., error: _Optional[str] = ..., exit_code: _Optional[int] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...

class ConfigureProviderRequest(_message.Message):
    __slots__ = ("provider_name", "quiet", "no_color", "binary_name", "host_service_id", "settings", "protocol_version")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    QUIET_FIELD_NUMBER: _ClassVar[int]
    NO_COLOR_FIELD_NUMBER: _ClassVar[int]
    BINARY_NAME_FIELD_NUMBER: _ClassVar[int]
    HOST_SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    quiet: bool
    no_color: bool
    binary_name: str
    host_service_id: int
    settings: _containers.ScalarMap[str, bytes]
    protocol_version: int
    def __init__(self, provider_name: _Optional[str] = ..., quiet: _Optional[bool] = ..., no_color: _Optional[bool] = ..., binary_name: _Optional[str] = ..., host_service_id: _Optional[int] = ..., settings: _Optional[_Mapping[str, bytes]] = ..., protocol_version: _Optional[int] = ...) -> None: ...

class ConfigureProviderResponse(_message.Message):
    __slots__ = ("error", "diagnostics", "protocol_version")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    error: str
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    protocol_version: int
    def __init__(self, error: _Optional[str] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ..., protocol_version: _Optional[int] = ...) -> None: ...

class SolutionMeta(_message.Message):
    __slots__ = ("name", "version", "display_name", "description", "category", "tags")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    display_name: str
    description: str
    category: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., category: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class IterationContext(_message.Message):
    __slots__ = ("item", "index", "item_alias", "index_alias")
    ITEM_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ITEM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    INDEX_ALIAS_FIELD_NUMBER: _ClassVar[int]
    item: bytes
    index: int
    item_alias: str
    index_alias: str
    def __init__(self, item: _Optional[bytes] = ..., index: _Optional[int] = ..., item_alias: _Optional[str] = ..., index_alias: _Optional[str] = ...) -> None: ...

class ExecuteProviderStreamChunk(_message.Message):
    __slots__ = ("stdout", "stderr", "result")
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    stdout: bytes
    stderr: bytes
    result: ExecuteProviderResponse
    def __init__(self, stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., result: _Optional[_Union[ExecuteProviderResponse, _Mapping]] = ...) -> None: ...

class Diagnostic(_message.Message):
    __slots__ = ("severity", "summary", "detail", "attribute")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INVALID: _ClassVar[Diagnostic.Severity]
        ERROR: _ClassVar[Diagnostic.Severity]
        WARNING: _ClassVar[Diagnostic.Severity]
    INVALID: Diagnostic.Severity
    ERROR: Diagnostic.Severity
    WARNING: Diagnostic.Severity
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTE_FIELD_NUMBER: _ClassVar[int]
    severity: Diagnostic.Severity
    summary: str
    detail: str
    attribute: str
    def __init__(self, severity: _Optional[_Union[Diagnostic.Severity, str]] = ..., summary: _Optional[str] = ..., detail: _Optional[str] = ..., attribute: _Optional[str] = ...) -> None: ...

class DescribeWhatIfRequest(_message.Message):
    __slots__ = ("provider_name", "input")
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    input: bytes
    def __init__(self, provider_name: _Optional[str] = ..., input: _Optional[bytes] = ...) -> None: ...

class DescribeWhatIfResponse(_message.Message):
    __slots__ = ("description", "error", "diagnostics")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    description: str
    error: str
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, description: _Optional[str] = ..., error: _Optional[str] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...

class ExtractDependenciesRequest(_message.Message):
    __slots__ = ("provider_name", "inputs")
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    inputs: bytes
    def __init__(self, provider_name: _Optional[str] = ..., inputs: _Optional[bytes] = ...) -> None: ...

class ExtractDependenciesResponse(_message.Message):
    __slots__ = ("dependencies", "error", "diagnostics")
    DEPENDENCIES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    dependencies: _containers.RepeatedScalarFieldContainer[str]
    error: str
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, dependencies: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...

class StopProviderRequest(_message.Message):
    __slots__ = ("provider_name",)
    PROVIDER_NAME_FIELD_NUMBER: _ClassVar[int]
    provider_name: str
    def __init__(self, provider_name: _Optional[str] = ...) -> None: ...

class StopProviderResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class StopAuthHandlerRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class StopAuthHandlerResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class GetAuthHandlersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetAuthHandlersResponse(_message.Message):
    __slots__ = ("handlers",)
    HANDLERS_FIELD_NUMBER: _ClassVar[int]
    handlers: _containers.RepeatedCompositeFieldContainer[AuthHandlerInfo]
    def __init__(self, handlers: _Optional[_Iterable[_Union[AuthHandlerInfo, _Mapping]]] = ...) -> None: ...

class AuthHandlerInfo(_message.Message):
    __slots__ = ("name", "display_name", "flows", "capabilities")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    FLOWS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    flows: _containers.RepeatedScalarFieldContainer[str]
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., flows: _Optional[_Iterable[str]] = ..., capabilities: _Optional[_Iterable[str]] = ...) -> None: ...

class LoginRequest(_message.Message):
    __slots__ = ("handler_name", "tenant_id", "scopes", "flow", "timeout_seconds")
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    tenant_id: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    flow: str
    timeout_seconds: int
    def __init__(self, handler_name: _Optional[str] = ..., tenant_id: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., flow: _Optional[str] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class LoginStreamMessage(_message.Message):
    __slots__ = ("device_code_prompt", "result", "error")
    DEVICE_CODE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    device_code_prompt: DeviceCodePrompt
    result: LoginResult
    error: str
    def __init__(self, device_code_prompt: _Optional[_Union[DeviceCodePrompt, _Mapping]] = ..., result: _Optional[_Union[LoginResult, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class DeviceCodePrompt(_message.Message):
    __slots__ = ("user_code", "verification_uri", "message")
    USER_CODE_FIELD_NUMBER: _ClassVar[int]
    VERIFICATION_URI_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    user_code: str
    verification_uri: str
    message: str
    def __init__(self, user_code: _Optional[str] = ..., verification_uri: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LoginResult(_message.Message):
    __slots__ = ("claims", "expires_at_unix")
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    claims: Claims
    expires_at_unix: int
    def __init__(self, claims: _Optional[_Union[Claims, _Mapping]] = ..., expires_at_unix: _Optional[int] = ...) -> None: ...

class Claims(_message.Message):
    __slots__ = ("issuer", "subject", "tenant_id", "object_id", "client_id", "email", "name", "username", "issued_at_unix", "expires_at_unix")
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    issuer: str
    subject: str
    tenant_id: str
    object_id: str
    client_id: str
    email: str
    name: str
    username: str
    issued_at_unix: int
    expires_at_unix: int
    def __init__(self, issuer: _Optional[str] = ..., subject: _Optional[str] = ..., tenant_id: _Optional[str] = ..., object_id: _Optional[str] = ..., client_id: _Optional[str] = ..., email: _Optional[str] = ..., name: _Optional[str] = ..., username: _Optional[str] = ..., issued_at_unix: _Optional[int] = ..., expires_at_unix: _Optional[int] = ...) -> None: ...

class LogoutRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class LogoutResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStatusRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("authenticated", "claims", "expires_at_unix", "last_refresh_unix", "tenant_id", "identity_type", "client_id", "token_file", "scopes", "reason")
    AUTHENTICATED_FIELD_NUMBER: _ClassVar[int]
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    LAST_REFRESH_UNIX_FIELD_NUMBER: _ClassVar[int]
    TENANT_ID_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FILE_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    authenticated: bool
    claims: Claims
    expires_at_unix: int
    last_refresh_unix: int
    tenant_id: str
    identity_type: str
    client_id: str
    token_file: str
    scopes: _containers.RepeatedScalarFieldContainer[str]
    reason: str
    def __init__(self, authenticated: _Optional[bool] = ..., claims: _Optional[_Union[Claims, _Mapping]] = ..., expires_at_unix: _Optional[int] = ..., last_refresh_unix: _Optional[int] = ..., tenant_id: _Optional[str] = ..., identity_type: _Optional[str] = ..., client_id: _Optional[str] = ..., token_file: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., reason: _Optional[str] = ...) -> None: ...

class GetTokenRequest(_message.Message):
    __slots__ = ("handler_name", "scope", "min_valid_for_seconds", "force_refresh")
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MIN_VALID_FOR_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_REFRESH_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    scope: str
    min_valid_for_seconds: int
    force_refresh: bool
    def __init__(self, handler_name: _Optional[str] = ..., scope: _Optional[str] = ..., min_valid_for_seconds: _Optional[int] = ..., force_refresh: _Optional[bool] = ...) -> None: ...

class GetTokenResponse(_message.Message):
    __slots__ = ("access_token", "token_type", "expires_at_unix", "scope", "cached_at_unix", "flow", "session_id")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    CACHED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    token_type: str
    expires_at_unix: int
    scope: str
    cached_at_unix: int
    flow: str
    session_id: str
    def __init__(self, access_token: _Optional[str] = ..., token_type: _Optional[str] = ..., expires_at_unix: _Optional[int] = ..., scope: _Optional[str] = ..., cached_at_unix: _Optional[int] = ..., flow: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class ListCachedTokensRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class ListCachedTokensResponse(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[CachedTokenInfo]
    def __init__(self, tokens: _Optional[_Iterable[_Union[CachedTokenInfo, _Mapping]]] = ...) -> None: ...

class CachedTokenInfo(_message.Message):
    __slots__ = ("handler", "token_kind", "scope", "token_type", "flow", "expires_at_unix", "cached_at_unix", "is_expired", "session_id", "fingerprint")
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    TOKEN_KIND_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    FLOW_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    CACHED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    IS_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    handler: str
    token_kind: str
    scope: str
    token_type: str
    flow: str
    expires_at_unix: int
    cached_at_unix: int
    is_expired: bool
    session_id: str
    fingerprint: str
    def __init__(self, handler: _Optional[str] = ..., token_kind: _Optional[str] = ..., scope: _Optional[str] = ..., token_type: _Optional[str] = ..., flow: _Optional[str] = ..., expires_at_unix: _Optional[int] = ..., cached_at_unix: _Optional[int] = ..., is_expired: _Optional[bool] = ..., session_id: _Optional[str] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class PurgeExpiredTokensRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class PurgeExpiredTokensResponse(_message.Message):
    __slots__ = ("purged_count",)
    PURGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    purged_count: int
    def __init__(self, purged_count: _Optional[int] = ...) -> None: ...

class ConfigureAuthHandlerRequest(_message.Message):
    __slots__ = ("handler_name", "quiet", "no_color", "binary_name", "settings", "host_service_id", "protocol_version")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: bytes
        def __init__(self, key: _Optional[str] = ..., value: _Optional[bytes] = ...) -> None: ...
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    QUIET_FIELD_NUMBER: _ClassVar[int]
    NO_COLOR_FIELD_NUMBER: _ClassVar[int]
    BINARY_NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    HOST_SERVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    quiet: bool
    no_color: bool
    binary_name: str
    settings: _containers.ScalarMap[str, bytes]
    host_service_id: int
    protocol_version: int
    def __init__(self, handler_name: _Optional[str] = ..., quiet: _Optional[bool] = ..., no_color: _Optional[bool] = ..., binary_name: _Optional[str] = ..., settings: _Optional[_Mapping[str, bytes]] = ..., host_service_id: _Optional[int] = ..., protocol_version: _Optional[int] = ...) -> None: ...

class ConfigureAuthHandlerResponse(_message.Message):
    __slots__ = ("error", "protocol_version", "diagnostics")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSTICS_FIELD_NUMBER: _ClassVar[int]
    error: str
    protocol_version: int
    diagnostics: _containers.RepeatedCompositeFieldContainer[Diagnostic]
    def __init__(self, error: _Optional[str] = ..., protocol_version: _Optional[int] = ..., diagnostics: _Optional[_Iterable[_Union[Diagnostic, _Mapping]]] = ...) -> None: ...

class GetSecretRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetSecretResponse(_message.Message):
    __slots__ = ("value", "found", "error")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    value: str
    found: bool
    error: str
    def __init__(self, value: _Optional[str] = ..., found: _Optional[bool] = ..., error: _Optional[str] = ...) -> None: ...

class SetSecretRequest(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class SetSecretResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class DeleteSecretRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteSecretResponse(_message.Message):
    __slots__ = ("error",)
    ERROR_FIELD_NUMBER: _ClassVar[int]
    error: str
    def __init__(self, error: _Optional[str] = ...) -> None: ...

class ListSecretsRequest(_message.Message):
    __slots__ = ("pattern",)
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    pattern: str
    def __init__(self, pattern: _Optional[str] = ...) -> None: ...

class ListSecretsResponse(_message.Message):
    __slots__ = ("names", "error")
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    error: str
    def __init__(self, names: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ...) -> None: ...

class GetAuthIdentityRequest(_message.Message):
    __slots__ = ("handler_name", "scope")
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    scope: str
    def __init__(self, handler_name: _Optional[str] = ..., scope: _Optional[str] = ...) -> None: ...

class GetAuthIdentityResponse(_message.Message):
    __slots__ = ("claims", "error")
    CLAIMS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    claims: Claims
    error: str
    def __init__(self, claims: _Optional[_Union[Claims, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class ListAuthHandlersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAuthHandlersResponse(_message.Message):
    __slots__ = ("handler_names", "default_handler")
    HANDLER_NAMES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_HANDLER_FIELD_NUMBER: _ClassVar[int]
    handler_names: _containers.RepeatedScalarFieldContainer[str]
    default_handler: str
    def __init__(self, handler_names: _Optional[_Iterable[str]] = ..., default_handler: _Optional[str] = ...) -> None: ...

class GetAuthTokenRequest(_message.Message):
    __slots__ = ("handler_name", "scope", "min_valid_for_seconds", "force_refresh")
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    MIN_VALID_FOR_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_REFRESH_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    scope: str
    min_valid_for_seconds: int
    force_refresh: bool
    def __init__(self, handler_name: _Optional[str] = ..., scope: _Optional[str] = ..., min_valid_for_seconds: _Optional[int] = ..., force_refresh: _Optional[bool] = ...) -> None: ...

class GetAuthTokenResponse(_message.Message):
    __slots__ = ("access_token", "token_type", "expires_at_unix", "scope", "error")
    ACCESS_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOKEN_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    access_token: str
    token_type: str
    expires_at_unix: int
    scope: str
    error: str
    def __init__(self, access_token: _Optional[str] = ..., token_type: _Optional[str] = ..., expires_at_unix: _Optional[int] = ..., scope: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class GetAuthGroupsRequest(_message.Message):
    __slots__ = ("handler_name",)
    HANDLER_NAME_FIELD_NUMBER: _ClassVar[int]
    handler_name: str
    def __init__(self, handler_name: _Optional[str] = ...) -> None: ...

class GetAuthGroupsResponse(_message.Message):
    __slots__ = ("groups", "error")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedScalarFieldContainer[str]
    error: str
    def __init__(self, groups: _Optional[_Iterable[str]] = ..., error: _Optional[str] = ...) -> None: ...
