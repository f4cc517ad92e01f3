//! One member of an image for several platforms, picked as cosign picks it.

use provost_oci::media_type::is_index;
use provost_oci::{Descriptor, Digest, ImageIndex, Platform};
use provost_registry::Manifest;

use crate::failure::Failure;

/// The members of a list whose platform is stated; none where the manifest is no list.
///
/// # Errors
/// When the list cannot be read.
pub(super) fn members(manifest: &Manifest) -> Result<Vec<(Digest, Platform)>, Failure> {
    if !is_index(&manifest.media_type) {
        return Ok(Vec::new());
    }
    let index: ImageIndex = serde_json::from_slice(&manifest.bytes)
        .map_err(|error| Failure::new(format!("fetching index manifest: {error}")))?;
    let stated = |member: Descriptor| Some((member.digest, member.platform?));
    Ok(index.manifests.into_iter().filter_map(stated).collect())
}

/// The digest of the member that runs on this platform (`os[/architecture[/variant]]`).
///
/// # Errors
/// cosign's words where the manifest is no list, or none or several of its members fit.
pub(super) fn pick(manifest: &Manifest, wanted: &str) -> Result<Digest, Failure> {
    if !is_index(&manifest.media_type) {
        return Err(Failure::new("specified reference is not a multiarch image"));
    }
    let parts: Vec<&str> = wanted.split(':').next().unwrap_or_default().split('/').collect();
    if parts.len() > 3 {
        return Err(Failure::new(format!("parsing platform: too many slashes in platform spec: {wanted}")));
    }
    let given = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    let fits = |platform: &Platform| {
        given(0).is_none_or(|os| os == platform.os)
            && given(1).is_none_or(|architecture| architecture == platform.architecture)
            && given(2).is_none_or(|variant| Some(variant) == platform.variant.as_deref())
    };
    let mut fitting = members(manifest)?;
    fitting.retain(|(_, platform)| fits(platform));
    match fitting.as_slice() {
        [(digest, _)] => Ok(digest.clone()),
        [] => Err(Failure::new(format!("unable to find an entity for {wanted}"))),
        several => Err(Failure::new(format!(
            "platform spec matches more than one image architecture: {}",
            shown(several.iter().map(|(_, platform)| platform))
        ))),
    }
}

/// Platforms as cosign lists them.
pub(super) fn shown<'a>(platforms: impl Iterator<Item = &'a Platform>) -> String {
    let one = |platform: &Platform| {
        let mut text = format!("{}/{}", platform.os, platform.architecture);
        if let Some(variant) = &platform.variant {
            text = format!("{text}/{variant}");
        }
        text
    };
    platforms.map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use provost_oci::media_type::OCI_INDEX;

    use super::*;

    fn list() -> Manifest {
        let member = |hex: char, platform: &str| {
            let digest = hex.to_string().repeat(64);
            format!(
                r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:{digest}"{platform}}}"#
            )
        };
        let members = [
            member('a', r#","platform":{"os":"linux","architecture":"amd64"}"#),
            member('b', r#","platform":{"os":"linux","architecture":"arm","variant":"v7"}"#),
            member('c', r#","platform":{"os":"linux","architecture":"arm","variant":"v6"}"#),
            member('d', ""),
        ];
        let text =
            format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, members.join(","));
        Manifest::new(OCI_INDEX, text.into())
    }

    #[test]
    fn exactly_one_member_must_fit() {
        let picked = |wanted: &str| {
            pick(&list(), wanted).map(|digest| digest.hex().get(..1).unwrap_or_default().to_owned())
        };
        let words = |wanted: &str| picked(wanted).unwrap_err().words();
        assert_eq!(picked("linux/amd64").ok(), Some("a".to_owned()));
        assert_eq!(picked("linux/arm/v7").ok(), Some("b".to_owned()));
        assert_eq!(words("windows/amd64"), "unable to find an entity for windows/amd64");
        assert_eq!(
            words("linux/arm"),
            "platform spec matches more than one image architecture: linux/arm/v7, linux/arm/v6"
        );
        assert!(words("a/b/c/d").starts_with("parsing platform: "));
        let plain = Manifest::new(provost_oci::media_type::OCI_MANIFEST, "{}".into());
        let refused = pick(&plain, "linux/amd64").unwrap_err().words();
        assert_eq!(refused, "specified reference is not a multiarch image");
    }
}
