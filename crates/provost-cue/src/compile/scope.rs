//! Scopes: which names are visible, and which of them were used.

use std::cell::Cell;

use crate::builtin::Package;
use crate::error::Reason;
use crate::expr::ExprId;
use crate::label::Label;
use crate::source::Span;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    /// A field of the struct on this level.
    Field(Label),
    /// A let clause, variable or alias on this level; it must be used.
    Alias(Label),
    /// The struct that begins just inside this scope.
    Value,
    /// A field whose name is computed: the expression of its name, once that is compiled.
    Keyed(Option<ExprId>),
    /// The name of a field, known or computed.
    Name(ExprId),
    /// An imported package of a module; it must be used.
    Module {
        index: usize,
        /// The import as errors show it.
        shown: String,
    },
    /// An imported package; it must be used.
    Package {
        package: &'static Package,
        /// The import as errors show it.
        shown: String,
    },
}

/// The names of one level, or of a part of one.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) names: Vec<(String, Binding, Span, Cell<bool>)>,
    /// Whether an environment of its own belongs to it when the policy runs.
    pub(super) level: bool,
    /// Whether it is a struct as written: what `self` means.
    pub(super) literal: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self { names: Vec::new(), level: true, literal: false }
    }
}

impl Scope {
    pub(super) fn for_imports() -> Self {
        Self { names: Vec::new(), level: false, literal: false }
    }

    /// Makes it a part of the level outside.
    pub(super) fn shares_level(&mut self) {
        self.level = false;
    }

    pub(super) fn bind(&mut self, name: &str, binding: Binding, span: Span) {
        self.names.push((name.to_owned(), binding, span, Cell::new(false)));
    }

    pub(super) fn bind_field(&mut self, name: &str, label: Label) {
        if !self.names.iter().any(|(known, ..)| known == name) {
            self.bind(name, Binding::Field(label), Span::default());
        }
    }

    /// Looks a name up and marks it as used. Aliases win over fields of the same name.
    pub(super) fn find(&self, name: &str) -> Option<&Binding> {
        let (_, binding, _, used) = self.names.iter().rev().find(|(known, ..)| known == name)?;
        used.set(true);
        Some(binding)
    }

    /// Says what the name of a computed field is.
    pub(super) fn key(&mut self, name: &str, key: ExprId) {
        for (known, binding, ..) in &mut self.names {
            if known == name && matches!(binding, Binding::Keyed(None)) {
                *binding = Binding::Keyed(Some(key));
            }
        }
    }

    /// The label of an alias, without using it.
    pub(super) fn alias(&self, name: &str) -> Option<Label> {
        self.names.iter().find_map(|(known, binding, ..)| match binding {
            Binding::Alias(label) if known == name => Some(*label),
            _ => None,
        })
    }

    /// The first name that had to be used and was not.
    pub(super) fn unused(&self) -> Option<(Reason, Span)> {
        self.names.iter().find_map(|(name, binding, span, used)| match binding {
            _ if used.get() => None,
            Binding::Field(_) => None,
            Binding::Package { shown, .. } | Binding::Module { shown, .. } => {
                Some((Reason::UnusedImport { import: shown.clone() }, *span))
            }
            Binding::Name(_) => None,
            Binding::Alias(_) | Binding::Value | Binding::Keyed(_) => {
                Some((Reason::UnusedAlias { name: name.clone() }, *span))
            }
        })
    }
}
