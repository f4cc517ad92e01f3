//! CUE: scanner, parser, resolver and an evaluator of conjuncts and tasks. Knows no signatures, files or clocks.
//!
//! Target is CUE v0.16.1 as cosign embeds it. [`Policy::prepare`] reads policy files once, [`Policy::check`]
//! judges one JSON document, [`Data`], as often as wanted. What this crate does not know is an error that
//! refuses, never a value that passes.
//!
//! The road of a policy: source → `scanner` → `parser` → `ast` → `compile` (names bound, `expr`) → `insert`
//! (conjuncts into vertices) → `task` (what must be evaluated) → `finalize`, `disjunction`, `closed` → `policy`.

mod absent;
mod ast;
mod builtin;
mod closed;
mod compile;
mod complete;
mod comprehension;
mod context;
mod copy;
mod data;
mod disjunction;
mod equal;
mod error;
mod export;
mod expr;
mod fault;
mod finalize;
mod format;
mod insert;
mod instance;
mod kind;
mod label;
mod limits;
mod literal;
mod load;
mod number;
mod operate;
mod parser;
mod plain;
mod policy;
mod print;
mod regex;
mod resolve;
mod scanner;
mod source;
mod task;
mod text;
mod token;
mod validate;
mod value;
mod vertex;
mod view;

pub use data::Data;
pub use error::{Code, CueError, CueErrors, Reason};
pub use export::{CueStyle, Plain, places, to_source};
pub use format::{definition, format as format_source};
pub use instance::{Asked, Demands, Evaluation, Instance};
pub use limits::Limits;
pub use load::{
    DataFile, Encoding, FileError, FileKind, Files, LoadError, Loaded, Package, Request, SourceFile, load,
    shown,
};
pub use policy::{Absent, Policy, PolicyFile};
pub use source::Position;
pub use text::Syntax;
pub use view::{Field, Name, Presence, Shape, Value};
