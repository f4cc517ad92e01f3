//! Reading `chains-config`.

use super::*;

fn read(data: &[(&str, &str)]) -> Result<(ChainsConfig, Vec<Warning>), ConfigError> {
    let data = data.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    ChainsConfig::from_data(data, "config.yaml")
}

#[test]
fn an_empty_map_is_the_defaults() {
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chains-config}\n";
    let (config, warnings) = ChainsConfig::from_configmap(yaml, "config.yaml").unwrap();
    assert_eq!((&config, warnings), (&ChainsConfig::default(), vec![]));
    assert_eq!(config.builder_id, "https://tekton.dev/chains/v2");
    assert!(config.task_runs.enabled() && config.pipeline_runs.enabled() && config.images.enabled());
}

#[test]
fn the_guides_configuration_is_read() {
    let yaml = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: chains-config, namespace: tekton-chains}
data:
  artifacts.oci.format: simplesigning
  artifacts.oci.storage: oci
  artifacts.taskrun.format: in-toto
  artifacts.taskrun.storage: ""
  artifacts.pipelinerun.format: slsa/v1
  artifacts.pipelinerun.storage: "tekton, oci"
  builder.id: https://alauda.io/builders/tekton/v1
  artifacts.pipelinerun.enable-deep-inspection: "true"
  signers.kms.kmsref: "1"
"#;
    let (config, warnings) = ChainsConfig::from_configmap(yaml, "config.yaml").unwrap();
    assert_eq!(warnings, vec![]);
    assert!(!config.task_runs.enabled());
    assert_eq!(config.pipeline_runs.format, Format::InToto);
    assert_eq!(config.pipeline_runs.storage, BTreeSet::from([Storage::Oci, Storage::Tekton]));
    assert_eq!(config.builder_id, "https://alauda.io/builders/tekton/v1");
    assert!(config.deep_inspection);
    assert_eq!(config.signers.kms_reference.as_deref(), Some("1"));
}

#[test]
fn a_wrong_word_is_refused_in_chains_words() {
    let error = read(&[("artifacts.taskrun.format", "slsa/v2alpha2")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "config.yaml: data.artifacts.taskrun.format: failed to parse data: invalid value \"slsa/v2alpha2\" \
         wanted one of [in-toto slsa/v1 slsa/v2alpha3 slsa/v2alpha4]"
    );
    let error = read(&[("artifacts.pipelinerun.storage", "oci,kafka")]).unwrap_err().to_string();
    assert!(
        error.ends_with("invalid value \"kafka\" wanted one of [archivista docdb gcs grafeas oci tekton]")
    );
    assert!(read(&[("artifacts.oci.storage", "oci,")]).is_err());
    assert!(read(&[("artifacts.oci.format", "")]).is_err());
}

#[test]
fn booleans_are_gos_and_others_are_passed_over_aloud() {
    let key = "artifacts.pipelinerun.enable-deep-inspection";
    for (text, want) in [("1", true), ("True", true), ("t", true), ("F", false)] {
        assert_eq!(read(&[(key, text)]).unwrap().0.deep_inspection, want, "{text}");
    }
    let (config, warnings) = read(&[(key, "yes")]).unwrap();
    assert!(!config.deep_inspection);
    let found = "yes".to_owned();
    assert_eq!(warnings, vec![Warning::NotBoolean { file: "config.yaml".into(), key, found }]);
}

#[test]
fn the_log_is_switched_on_by_two_exact_words() {
    let upload = |text| read(&[("transparency.enabled", text)]).unwrap();
    assert_eq!(upload("true").0.upload, Upload::Always);
    assert_eq!(upload("manual").0.upload, Upload::OnRequest);
    assert_eq!(upload("false"), (ChainsConfig::default(), vec![]));
    let (config, warnings) = upload("True");
    assert_eq!((config.upload, warnings.len()), (Upload::Off, 1));
}

#[test]
fn what_does_nothing_is_said_and_what_we_cannot_do_is_refused() {
    let (_, warnings) = read(&[("artifacts.taskrun.fromat", "x"), ("_example", "y")]).unwrap();
    assert_eq!(warnings.len(), 1);
    let (_, warnings) = read(&[("artifacts.oci.storage", "kafka")]).unwrap();
    assert!(matches!(warnings.as_slice(), [Warning::Kafka { key: "artifacts.oci.storage", .. }]));
    let error = read(&[("provost.unheard-of", "true")]).unwrap_err();
    assert!(matches!(error, ConfigError::Unsupported { key, .. } if key == "provost.unheard-of"));
    let error = read(&[("provost.claims", "a: b")]).unwrap_err().to_string();
    assert!(error.starts_with("config.yaml: data.provost.claims: expected a map from namespaces"), "{error}");
}

#[test]
fn other_documents_are_refused() {
    let error = |yaml| ChainsConfig::from_configmap(yaml, "config.yaml").unwrap_err().to_string();
    assert_eq!(
        error("apiVersion: v1\nkind: Secret\n"),
        "config.yaml: kind: expected \"ConfigMap\", found \"Secret\""
    );
    assert_eq!(
        error("apiVersion: v1\nkind: ConfigMap\ndata: {transparency.enabled: true}\n"),
        "config.yaml: data.transparency.enabled: expected a string (numbers and true or false in quotes), found true"
    );
    assert!(error("a: [").starts_with("config.yaml: not YAML: "));
}

#[test]
fn a_token_is_never_shown() {
    let (config, _) = read(&[("signers.kms.auth.token", "s3cret")]).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}

/// The table of docs/reference/controller.md names every key that is read, and no other.
#[test]
fn the_documents_table_is_the_readers() {
    const PAGE: &str = include_str!("../../../../docs/reference/controller.md");
    let section = PAGE.split("## chains-config\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let keys: BTreeSet<&str> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(keys.len() > 40, "{keys:?}");
    // A key that is read is taken for neither unknown nor unsupported, whatever it holds.
    for key in &keys {
        match read(&[(key, "\u{1}")]) {
            Ok((_, warnings)) => {
                assert!(!warnings.iter().any(|w| matches!(w, Warning::UnknownKey { .. })), "{key}");
            }
            Err(error) => assert!(!matches!(error, ConfigError::Unsupported { .. }), "{key}"),
        }
    }
    let sources = [include_str!("reader.rs"), include_str!("own.rs"), include_str!("../config.rs")].concat();
    let is_key = |text: &&str| {
        let starts = [
            "artifacts.",
            "storage.",
            "signers.",
            "builder.",
            "builddefinition.",
            "transparency.",
            "filter.",
            "provost.",
        ];
        starts.iter().any(|start| text.starts_with(start))
            && text.len() > 9
            && !text.contains([' ', '{', ':'])
    };
    for key in sources.split('"').skip(1).step_by(2).filter(is_key) {
        assert!(keys.contains(key), "{key} is read and not in docs/reference/controller.md");
    }
}
