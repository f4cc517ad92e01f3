//! Which services keep keys, by the scheme of a reference.

use std::fmt;

/// The kind of service a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KmsKind {
    /// `hashivault://` and `openbao://`: the transit engine.
    Vault,
    /// `awskms://`.
    Aws,
    /// `gcpkms://`.
    Google,
    /// `azurekms://`.
    Azure,
    /// `<name>://` and `pkcs11:`: a program `sigstore-kms-<name>` on the PATH.
    Plugin,
}

impl KmsKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Vault, Self::Aws, Self::Google, Self::Azure, Self::Plugin];

    /// The kind a reference names; `None` where it is no reference of this form (a path, a URL, a variable, a Secret).
    #[must_use]
    pub fn of(reference: &str) -> Option<Self> {
        if reference.starts_with("pkcs11:") {
            return Some(Self::Plugin);
        }
        let (scheme, _) = reference.split_once("://")?;
        match scheme {
            "hashivault" | "openbao" => Some(Self::Vault),
            "awskms" => Some(Self::Aws),
            "gcpkms" => Some(Self::Google),
            "azurekms" => Some(Self::Azure),
            "http" | "https" | "env" | "k8s" | "github" | "gitlab" | "file" => None,
            _ => Some(Self::Plugin),
        }
    }
}

impl fmt::Display for KmsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "HashiCorp Vault",
            Self::Aws => "AWS KMS",
            Self::Google => "Google Cloud KMS",
            Self::Azure => "Azure Key Vault",
            Self::Plugin => "a KMS plugin",
        })
    }
}
