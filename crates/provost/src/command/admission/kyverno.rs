//! Kyverno's flags that matter to verifying images, under their names and with their defaults.

use std::path::PathBuf;
use std::time::Duration;

use provost_gate::memory::LIFE;

use super::audit::ReportFlags;
use super::duration;
use super::flags::Others;
use crate::failure::Failure;

/// The flags of Kyverno's admission controller that are honoured; [`Others`] are the rest.
#[derive(clap::Args, Debug)]
pub(super) struct KyvernoFlags {
    /// A kubeconfig file; without it KUBECONFIG, ~/.kube/config, or the cluster this runs in.
    #[arg(long = "kubeconfig", value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    /// Outside the cluster: where the API server reaches us.
    #[arg(long = "serverIP", value_name = "HOST:PORT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) server_ip: Option<String>,
    /// The port of the Service by which the API server reaches us.
    #[arg(long = "servicePort", value_name = "PORT", default_value_t = 443)]
    pub(super) service_port: u16,
    /// The port on which requests are answered.
    #[arg(long = "webhookServerPort", value_name = "PORT", default_value_t = 9443)]
    pub(super) webhook_server_port: u16,
    /// How long the API server waits where a policy does not say, in seconds, 1 to 30.
    #[arg(long = "webhookTimeout", value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=30))]
    pub(super) webhook_timeout: u8,
    /// Let PolicyExceptions count.
    #[arg(long = "enablePolicyException", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) enable_policy_exception: bool,
    /// The namespace whose PolicyExceptions count; * for all.
    #[arg(long = "exceptionNamespace", value_name = "NAMESPACE", default_value = "")]
    pub(super) exception_namespace: String,
    /// Register every policy as if its failurePolicy were Ignore.
    #[arg(long = "forceFailurePolicyIgnore", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) force_failure_policy_ignore: bool,
    /// Keep the webhook configurations in step with the policies.
    #[arg(long = "autoUpdateWebhooks", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) auto_update_webhooks: bool,
    /// The ConfigMap of our namespace with Kyverno's keys.
    #[arg(long = "configMapName", value_name = "NAME", default_value = "provost-admission")]
    pub(super) config_map_name: String,
    /// The Secret of our namespace with the authority that issues our certificate.
    #[arg(long = "caSecretName", value_name = "NAME", default_value = "provost-admission-ca")]
    pub(super) ca_secret_name: String,
    /// The Secret of our namespace with our certificate.
    #[arg(long = "tlsSecretName", value_name = "NAME", default_value = "provost-admission-tls")]
    pub(super) tls_secret_name: String,
    /// Secrets of our namespace with registry credentials, for every policy; separated by commas.
    #[arg(long = "imagePullSecrets", value_name = "NAMES", value_delimiter = ',')]
    pub(super) image_pull_secrets: Vec<String>,
    /// Allow plain http and any certificate for all registries.
    #[arg(long = "allowInsecureRegistry", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) insecure_registries: bool,
    /// The port of health and metrics.
    #[arg(long = "metricsPort", value_name = "PORT", default_value_t = 8000)]
    pub(super) metrics_port: u16,
    /// Serve no health and metrics without TLS.
    #[arg(long = "disableMetrics", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(super) disable_metrics: bool,
    /// Reuse what registries said of attestations.
    #[arg(long = "imageVerifyCacheEnabled", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    image_verify_cache: bool,
    /// For how long; never longer than a minute.
    #[arg(long = "imageVerifyCacheTTLDuration", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    image_verify_cache_life: Duration,
    #[command(flatten)]
    pub(super) reports: ReportFlags,
    #[command(flatten)]
    others: Others,
}

impl KyvernoFlags {
    /// Refuses what asks for something that is not done here.
    ///
    /// # Errors
    /// The first such flag, why, and what to do.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.others.check()
    }

    /// How long what registries said of attestations is reused: Kyverno keeps verdicts for an hour, we keep what they are
    /// made of, and that for a minute at most (security.md 11).
    pub(super) fn life(&self) -> Duration {
        if self.image_verify_cache { self.image_verify_cache_life.min(LIFE) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Args as _;

    use super::super::flags::{FLAGS, Standing};
    use super::KyvernoFlags;

    /// The flags of the table on the reference page, each with its first word.
    fn told() -> BTreeMap<String, String> {
        let page = include_str!("../../../../../docs/reference/admission.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `--"));
        rows.filter_map(|row| {
            let (name, rest) = row.split_once('`')?;
            let words = rest.trim_start_matches(" |").trim_start();
            Some((name.to_owned(), words.split([' ', ':', '|']).next()?.to_owned()))
        })
        .collect()
    }

    #[test]
    fn the_page_names_every_flag_of_kyverno_and_how_it_stands() {
        let mut known = BTreeMap::new();
        let command = KyvernoFlags::augment_args(clap::Command::new("admission"));
        for argument in command.get_arguments() {
            let name = argument.get_long().unwrap_or_default().to_owned();
            let standing = FLAGS.iter().find(|flag| flag.name == name).map(|flag| flag.standing);
            let word = match standing {
                None => "honoured",
                Some(Standing::Ignored) => "accepted",
                Some(Standing::Refused { .. }) => "refused",
            };
            known.insert(name, word.to_owned());
        }
        assert_eq!(known, told());
    }

    #[test]
    fn they_get_along_with_our_own_flags() {
        super::super::Args::augment_args(clap::Command::new("admission")).debug_assert();
    }

    #[test]
    fn what_is_not_done_here_is_refused_and_what_asks_for_nothing_is_not() {
        let read = |words: &[&str]| {
            let command = KyvernoFlags::augment_args(clap::Command::new("admission"));
            let given = std::iter::once("admission").chain(words.iter().copied());
            let matches = command.try_get_matches_from(given).unwrap();
            <KyvernoFlags as clap::FromArgMatches>::from_arg_matches(&matches).unwrap()
        };
        for words in [
            &["--v=4", "--loggingFormat=json", "--profile", "--enablePolicyException"][..],
            &[
                "-v",
                "2",
                "--clientRateLimitQPS",
                "100",
                "--enableTuf=false",
                "--registryCredentialHelpers=default",
            ],
            &["--dumpPayload=false", "--autoUpdateWebhooks=false"],
        ] {
            assert!(read(words).check().is_ok(), "{words:?}");
        }
        assert!(!read(&["--autoUpdateWebhooks=false"]).auto_update_webhooks);
        for flag in FLAGS {
            let Standing::Refused { why, .. } = flag.standing else { continue };
            let given =
                if flag.takes_value { format!("--{}=x", flag.name) } else { format!("--{}", flag.name) };
            let words = read(&[&given]).check().unwrap_err().words();
            assert!(words.starts_with(&format!("--{}", flag.name)) && words.ends_with(why), "{words}");
        }
    }
}
