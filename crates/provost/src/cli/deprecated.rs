//! The flags that cosign says are going away, in its words.

/// What cosign says when a flag of a verb is used; `None` where it stays.
pub(super) fn hint(verb: &str, flag: &str) -> Option<&'static str> {
    let signs = matches!(verb, "sign" | "sign-blob" | "attest" | "attest-blob");
    let verifies = matches!(
        verb,
        "verify"
            | "verify-attestation"
            | "verify-blob"
            | "verify-blob-attestation"
            | "manifest verify"
            | "dockerfile verify"
    );
    let of_images = matches!(verb, "verify" | "manifest verify" | "dockerfile verify");
    let of_blobs = matches!(verb, "verify-blob" | "verify-blob-attestation");
    Some(match flag {
        "attachment-tag-prefix" => "please use OCI referrers",
        "tlog-upload" if signs => "prefer using a --signing-config file with no transparency log services",
        "new-bundle-format" if signs || verifies => {
            "this will be the only supported format in future versions"
        }
        "issue-certificate" if signs => "support for this flag will be removed in the future",
        "timestamp-server-url" if signs => {
            "please use a signing config to specify a timestamp server url; see `cosign signing-config --help`"
        }
        "rekor-url" if signs || verb == "bundle create" => {
            "please use a signing config to specify a rekor url; see `cosign signing-config --help`"
        }
        "rekor-url" if verifies => "please use --bundle, which includes the Rekor inclusion proof",
        "fulcio-url" if signs => {
            "please use a signing config to specify a fulcio url; see `cosign signing-config --help`"
        }
        "insecure-skip-verify" if signs => {
            "SCT verification is no longer performed during signing/attestation."
        }
        "oidc-issuer" if signs => {
            "please use a signing config to specify an OIDC issuer; see `cosign signing-config create --help`"
        }
        "rekor-entry-type" if signs => {
            "support for this flag will be removed in the future. it is strongly discouraged to rely on Rekor for attestation storage, and in future releases of Rekor, this functionality will be removed."
        }
        "output-signature" if signs => {
            "please use --bundle to provide the output bundle location, which will include the signature"
        }
        "output-payload" if verb == "sign" => {
            "please use --bundle to provide the output bundle location, which will include the payload"
        }
        "output-certificate" if signs => {
            "please use --bundle to provide the output bundle location, which will include the certificate"
        }
        "output-attestation" if verb == "attest-blob" => {
            "please use --bundle to provide the output bundle location, which will include the attestation"
        }
        "output" if verb == "sign-blob" => {
            "please use --bundle to provide the output bundle location, which will include the signature"
        }
        "b64" if verb == "sign-blob" => {
            "please use --bundle, which already base64 encodes content as appropriate"
        }
        "payload" if verb == "sign" => "payload will always be generated automatically in future versions",
        "attachment" if verb == "sign" => {
            "please use OCI referrers for attachments; see `cosign attach sbom --registry-referrers-mode=oci-1-1 --help`"
        }
        "sign-container-identity" if verb == "sign" => {
            "not possible when OCI referrers become the default behavior"
        }
        "record-creation-timestamp" if signs => "not used with the new bundle format",
        "replace" if verb == "attest" => "not needed when OCI referrers become the default behavior",
        "rfc3161-timestamp" if verb == "sign-blob" || of_blobs => {
            "please use --bundle to provide the output bundle location, which will include the signed timestamp"
        }
        "rfc3161-timestamp-bundle" if verb == "attest-blob" => {
            "please use --bundle to provide the output bundle location, which will include the signed timestamp"
        }
        "experimental-oci11" if verifies || verb == "tree" => {
            "OCI referrers will be the default behavior in future versions"
        }
        "signature-digest-algorithm" if verifies => {
            "please use --bundle, which already includes the digest algorithm"
        }
        "certificate" if verifies => {
            "please use --bundle with --trusted-root to provide the public certificate"
        }
        "ca-intermediates" | "ca-roots" if verifies => "please use --trusted-root to provide CA certificates",
        "certificate-chain" if verifies => "please use --trusted-root to provide the certificate chain",
        "sct" if verifies => "a Signed Certificate Timestamp is now provided via a Sigstore bundle",
        "offline" if verifies => {
            "To verify in an airgapped environment, provide a --bundle with the signature and verification material, and a --trusted-root file with the service keys and certificates"
        }
        "timestamp-certificate-chain" if verifies => {
            "please use --trusted-root to provide the timestamp authority certificate chain"
        }
        "private-infrastructure" if verifies => "please use --insecure-ignore-tlog instead",
        "attachment" if of_images => {
            "please use OCI referrers for attachments and verify with `--experimental-oci11`"
        }
        "signature" if of_images => {
            "signatures are automatically fetched from the OCI registry during image verification"
        }
        "payload" if of_images => "payload will always be verified from the bundle in future versions",
        "signature" if of_blobs => "please use --bundle to provide a signature",
        _ => return root(flag).filter(|_| verb == "trusted-root create"),
    })
}

/// The same for the flags of `trusted-root create` that one flag for each service has replaced.
fn root(flag: &str) -> Option<&'static str> {
    Some(match flag {
        "certificate-chain" | "fulcio-uri" => "use --fulcio instead",
        "ctfe-key" | "ctfe-start-time" | "ctfe-end-time" | "ctfe-url" => "use --ctfe instead",
        "rekor-key" | "rekor-start-time" | "rekor-end-time" | "rekor-url" => "use --rekor instead",
        "timestamp-certificate-chain" | "timestamp-uri" => "use --tsa instead",
        _ => return None,
    })
}
