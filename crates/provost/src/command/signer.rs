//! With what something is signed: the key flags of `attest`, `sign` and `sign-blob`, and what is refused beside them.

use crate::failure::Failure;

/// The key, and the services that are left out.
#[derive(clap::Args, Debug)]
pub(crate) struct SignerFlags {
    /// The private key: a file, or env://VARIABLE.
    #[arg(long, env = "COSIGN_KEY", value_name = "KEY")]
    key: Option<String>,
    /// Upload to a transparency log; only false is possible in this version.
    #[arg(long, env = "COSIGN_TLOG_UPLOAD", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    tlog_upload: bool,
    /// Make a Sigstore bundle; of images only false is possible in this version.
    #[arg(long, env = "COSIGN_NEW_BUNDLE_FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    new_bundle_format: Option<bool>,
    /// Take the services from a signing configuration; only false is possible in this version.
    #[arg(long, env = "COSIGN_USE_SIGNING_CONFIG", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    use_signing_config: Option<bool>,
    /// Do not ask.
    #[arg(short = 'y', long, env = "COSIGN_YES", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    yes: bool,
}

impl SignerFlags {
    /// The key reference for an image, after refusing what this version cannot do.
    ///
    /// # Errors
    /// When a bundle, a log entry, or a signature without a key is asked for.
    pub(crate) fn reference(&self) -> Result<&str, Failure> {
        if self.new_bundle_format == Some(true) {
            return Err(Failure::new(UNSUPPORTED));
        }
        self.key_alone()
    }

    /// The key reference for a blob, which is signed into a Sigstore bundle or stands alone.
    ///
    /// # Errors
    /// When a bundle of cosign's older form, a log entry, or a signature without a key is asked for.
    pub(crate) fn blob_reference(&self, bundle: bool) -> Result<&str, Failure> {
        match self.new_bundle_format {
            Some(true) if !bundle => Err(Failure::new("must specify --bundle with --new-bundle-format")),
            Some(false) if bundle => Err(Failure::new(
                "bundles of cosign's older form are not written by this version: leave out --bundle or --new-bundle-format=false",
            )),
            _ => self.key_alone(),
        }
    }

    fn key_alone(&self) -> Result<&str, Failure> {
        if self.use_signing_config == Some(true) {
            return Err(Failure::new(UNSUPPORTED));
        }
        if self.tlog_upload {
            return Err(Failure::new(
                "transparency logs are not supported by this version: give --tlog-upload=false (COSIGN_TLOG_UPLOAD=false)",
            ));
        }
        // A key asks nothing back, so there is nothing to say yes to.
        let _ = self.yes;
        self.key.as_deref().ok_or_else(|| {
            Failure::new("--key is required: signing without a key is not supported by this version")
        })
    }
}

const UNSUPPORTED: &str = "bundles and signing configurations are not supported by this version: leave out --new-bundle-format and --use-signing-config, or set them to false";
