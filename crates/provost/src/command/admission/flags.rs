//! Kyverno's flags that have no effect here, and those that are refused.

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::failure::Failure;

/// A flag of Kyverno's admission controller that is not honoured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    /// Whether a value belongs to it; Go takes others alone or with `=true`.
    pub(super) takes_value: bool,
    pub(super) standing: Standing,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// Taken, so that a manifest need not change, and without effect.
    Ignored,
    /// Refused unless it asks for nothing.
    Refused {
        /// The values that ask for nothing.
        harmless: &'static [&'static str],
        /// Why, and what to do.
        why: &'static str,
    },
}

const fn ignored(name: &'static str, takes_value: bool) -> Flag {
    Flag { name, takes_value, standing: Standing::Ignored }
}

const fn refused(
    name: &'static str,
    takes_value: bool,
    harmless: &'static [&'static str],
    why: &'static str,
) -> Flag {
    Flag { name, takes_value, standing: Standing::Refused { harmless, why } }
}

/// Why TUF is not asked.
const NO_TUF: &str =
    "nothing is fetched while judging: expected --trusted-root FILE, written by `initialize`";

/// All of them.
pub(super) const FLAGS: &[Flag] = &[
    refused("dumpPayload", false, &["false"], "requests hold secrets and are not written out"),
    refused("dumpPatches", false, &["false"], "requests hold secrets and are not written out"),
    refused("enableTuf", false, &["false"], NO_TUF),
    refused("tufMirror", true, &[""], NO_TUF),
    refused("tufRoot", true, &[""], NO_TUF),
    refused("tufRootRaw", true, &[""], NO_TUF),
    refused(
        "registryCredentialHelpers",
        true,
        &["", "default"],
        "credential helpers of cloud providers are not supported: expected default, and Secrets in --imagePullSecrets or in policies",
    ),
    ignored("allowedResults", true),
    ignored("alsologtostderr", false),
    ignored("autoDeleteWebhooks", false),
    ignored("backgroundServiceAccountName", true),
    ignored("caValidityDuration", true),
    ignored("clientRateLimitBurst", true),
    ignored("clientRateLimitQPS", true),
    ignored("controllerRuntimeMetricsAddress", true),
    ignored("crdWatcher", false),
    ignored("disableLogColor", false),
    ignored("enableConfigMapCaching", false),
    ignored("enableDeferredLoading", false),
    ignored("eventsRateLimitBurst", true),
    ignored("eventsRateLimitQPS", true),
    ignored("generateMutatingAdmissionPolicy", false),
    ignored("generateValidatingAdmissionPolicy", false),
    ignored("imageVerifyCacheMaxSize", true),
    ignored("leaderElectionRetryPeriod", true),
    ignored("loggingFormat", true),
    ignored("loggingtsFormat", true),
    ignored("logtostderr", false),
    ignored("maxAPICallResponseLength", true),
    ignored("maxAdmissionReports", true),
    ignored("maxAuditCapacity", true),
    ignored("maxAuditWorkers", true),
    ignored("maxQueuedEvents", true),
    ignored("mutatingAdmissionPolicyReports", false),
    ignored("otelCollector", true),
    ignored("otelConfig", true),
    ignored("profile", false),
    ignored("profileAddress", true),
    ignored("profilePort", true),
    ignored("protectManagedResources", false),
    ignored("renewBefore", true),
    ignored("reportsServiceAccountName", true),
    ignored("resyncPeriod", true),
    ignored("tlsKeyAlgorithm", true),
    ignored("tlsValidityDuration", true),
    ignored("tracing", false),
    ignored("tracingAddress", true),
    ignored("tracingCreds", true),
    ignored("tracingPort", true),
    ignored("transportCreds", true),
    ignored("v", true),
    ignored("validatingAdmissionPolicyReports", false),
    ignored("webhookRegistrationTimeout", true),
];

/// Those of them that were given.
#[derive(Debug, Default)]
pub(super) struct Others(Vec<(Flag, String)>);

impl Others {
    /// Refuses the first that asks for something that is not done here.
    ///
    /// # Errors
    /// That flag, and why.
    pub(super) fn check(&self) -> Result<(), Failure> {
        for (flag, value) in &self.0 {
            if let Standing::Refused { harmless, why } = flag.standing
                && !harmless.contains(&value.as_str())
            {
                return Err(Failure::new(format!("--{}={value}: {why}", flag.name)));
            }
        }
        Ok(())
    }
}

impl clap::Args for Others {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| {
            let argument = Arg::new(flag.name).long(flag.name).action(ArgAction::Append).hide(true);
            let argument = match flag.name {
                // Go knows no difference between one dash and two.
                "v" => argument.short('v'),
                _ => argument,
            };
            command.arg(match flag.takes_value {
                true => argument.num_args(1),
                false => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Others {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Self::default();
        found.update_from_arg_matches(matches)?;
        Ok(found)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in FLAGS {
            let given = matches.get_many::<String>(flag.name).into_iter().flatten();
            self.0.extend(given.map(|value| (*flag, value.clone())));
        }
        Ok(())
    }
}
