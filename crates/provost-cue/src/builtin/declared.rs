//! Members of packages that are CUE values: comparers, configurations, and the shapes of tool tasks, which run nothing.

/// Package list: how elements compare.
pub(super) const LIST: &str = "
Comparer: {T: _, x: T, y: T, less: bool}
Ascending: {
	Comparer
	T:    number | string
	x:    T
	y:    T
	less: x < y
}
Descending: {
	Comparer
	T:    number | string
	x:    T
	y:    T
	less: x > y
}
";

/// Package encoding/openapi: what a document is made with.
pub(super) const OPENAPI: &str = r##"
#Config: {
	version!:         "3.0.0"
	info?:            #Info
	selfContained:    bool | *false
	expandReferences: bool | *false
}
#Info: {
	title!:          string
	version!:        string
	summary?:        string
	description?:    string
	termsOfService?: string
	contact?:        #Contact
	license?:        #License
}
#Contact: {name?: string, url?: string, email?: string}
#License: {name!: string, url?: string}
"##;

/// Package uuid: the well-known name spaces and variants.
pub(super) const UUID: &str = r#"
ns: {
	DNS:  "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	URL:  "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
	OID:  "6ba7b812-9dad-11d1-80b4-00c04fd430c8"
	X500: "6ba7b814-9dad-11d1-80b4-00c04fd430c8"
	Nil:  "00000000-0000-0000-0000-000000000000"
}
variants: {Invalid: 0, RFC4122: 1, Reserved: 2, Microsoft: 3, Future: 4}
"#;

/// Package tool/cli.
pub(super) const TOOL_CLI: &str = r#"
Print: {
	$id:  _id
	_id:  *"tool/cli.Print" | "print"
	text: string
}
Ask: {
	$id:      _id
	_id:      "tool/cli.Ask"
	prompt:   string
	response: string | bool
}
"#;

/// Package tool/exec.
pub(super) const TOOL_EXEC: &str = r#"
Run: {
	$id:  _id
	_id:  *"tool/exec.Run" | "exec"
	cmd:  string | [string, ...string]
	dir?: string
	env:  {[string]: string} | [...=~"="]
	stdout:      *null | string | bytes
	stderr:      *null | string | bytes
	stdin:       *null | string | bytes
	success:     bool
	mustSucceed: bool | *true
}
"#;

/// Package tool/file.
pub(super) const TOOL_FILE: &str = r#"
Read: {
	$id:      _id
	_id:      "tool/file.Read"
	filename: !=""
	contents: *bytes | string
}
Append: {
	$id:         _id
	_id:         "tool/file.Append"
	filename:    !=""
	permissions: int | *0o666
	contents:    bytes | string
}
Create: {
	$id:         _id
	_id:         "tool/file.Create"
	filename:    !=""
	permissions: int | *0o666
	contents:    bytes | string
}
Symlink: {
	$id:      _id
	_id:      "tool/file.Symlink"
	filename: !=""
	target:   !=""
}
Glob: {
	$id:  _id
	_id:  "tool/file.Glob"
	glob: !=""
	files: [...string]
}
Mkdir: {
	$id:           _id
	_id:           "tool/file.Mkdir"
	path:          string
	createParents: bool | *false
	permissions:   int | *0o777
}
MkdirAll: Mkdir & {createParents: true}
MkdirTemp: {
	$id:     _id
	_id:     "tool/file.MkdirTemp"
	dir:     string | *""
	pattern: string | *""
	path:    string
}
RemoveAll: {
	$id:     _id
	_id:     "tool/file.RemoveAll"
	path:    string
	success: bool
}
"#;

/// Package tool/http.
pub(super) const TOOL_HTTP: &str = r#"
Get: Do & {method: "GET"}
Post: Do & {method: "POST"}
Put: Do & {method: "PUT"}
Delete: Do & {method: "DELETE"}
Do: {
	$id:             _id
	_id:             *"tool/http.Do" | "http"
	method:          string
	url:             string
	followRedirects: *true | bool
	tls: {
		verify:  *true | bool
		caCert?: bytes | string
	}
	request: {
		body?: bytes | string
		header: [string]: [string, ...string]
		trailer: [string]: [string, ...string]
	}
	response: {
		status:     string
		statusCode: int
		body:       *bytes | string
		header: [string]: string | [...string]
		trailer: [string]: string | [...string]
	}
}
Serve: {
	$id:         _id
	_id:         "tool/http.Serve"
	listenAddr!: string
	routing: {
		path:    *"/" | =~"^/"
		method?: string
	}
	request: {
		method: string
		url:    string
		body:   *bytes | string
		value?: _
		pathValues: [string]: string
		form: [string]: [string, ...string]
		header: [string]: [string, ...string]
		trailer: [string]: [string, ...string]
	}
	response: {
		statusCode?: int
		body?:       *bytes | string
		header?: [string]: string | [string, ...string]
		trailer?: [string]: string | [string, ...string]
	}
}
"#;

/// Package tool/os.
pub(super) const TOOL_OS: &str = r#"
Value: bool | number | *string | null
Name:  !="" & !~"^[$]"
Setenv: {
	$id: _id
	_id: "tool/os.Setenv"
	{[Name]: Value}
}
Getenv: {
	$id: _id
	_id: "tool/os.Getenv"
	{[Name]: Value}
}
Environ: {
	$id: _id
	_id: "tool/os.Environ"
	{[Name]: Value}
}
Clearenv: {
	$id: _id
	_id: "tool/os.Clearenv"
}
"#;
