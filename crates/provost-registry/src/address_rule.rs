//! Which addresses a registry's name may lead to, asked after the name has been resolved (security.md 24).

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::endpoint::is_own_machine;

/// Whether loopback and link-local addresses may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    /// Inside a cluster: this machine and its link are not registries, whatever a name resolves to.
    pub refuse_own_machine: bool,
    /// Hosts (without port) that are asked all the same: `--allow-registry-host`.
    pub allowed_hosts: Vec<String>,
}

/// Why a name leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("lookup {host}: {cause}")]
    NoSuchHost { host: String, cause: String },
    #[error(
        "{host} leads to {address}, this machine or its link; if that is meant, allow it with --allow-registry-host {host}"
    )]
    OwnMachine { host: String, address: IpAddr },
}

impl AddressRule {
    /// The addresses of a host, or why they may not be asked.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LookupError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((bare, port))
            .await
            .map_err(|e| LookupError::NoSuchHost { host: host.to_owned(), cause: e.to_string() })?;
        let found: Vec<_> = found.collect();
        for address in &found {
            self.check(host, address.ip())?;
        }
        if found.is_empty() {
            return Err(LookupError::NoSuchHost { host: host.to_owned(), cause: "no address".to_owned() });
        }
        Ok(found)
    }

    /// Why a URL whose host is an address may not be asked, for clients of [`crate::service_client`].
    #[must_use]
    pub fn refusal(&self, url: &Url) -> Option<String> {
        self.check_literal(url).err().map(|error| error.to_string())
    }

    /// A URL whose host is an address never reaches the resolver, so it is checked by itself.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), LookupError> {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check(&ip.to_string(), ip.into()),
            Some(Host::Ipv6(ip)) => self.check(&ip.to_string(), ip.into()),
            _ => Ok(()),
        }
    }

    fn check(&self, host: &str, address: IpAddr) -> Result<(), LookupError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let allowed = || self.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(bare));
        if self.refuse_own_machine && is_own_machine(address) && !allowed() {
            return Err(LookupError::OwnMachine { host: bare.to_owned(), address });
        }
        Ok(())
    }
}

/// The rule as the HTTP client's resolver: what it dials has passed the check, so a second answer of the name
/// server changes nothing.
#[derive(Clone)]
pub(crate) struct GuardedResolver(pub(crate) AddressRule);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.0.clone();
        Box::pin(async move {
            let found = rule.resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(allowed: &[&str]) -> AddressRule {
        AddressRule {
            refuse_own_machine: true,
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused_in_a_cluster_unless_allowed() {
        let refused = strict(&[]).resolve("localhost", 5000).await;
        assert!(matches!(refused, Err(LookupError::OwnMachine { .. })), "{refused:?}");
        assert!(strict(&["LOCALHOST"]).resolve("localhost", 5000).await.is_ok());
        assert!(AddressRule::default().resolve("localhost", 5000).await.is_ok());
    }

    #[test]
    fn literals_are_checked_without_a_lookup() {
        let check = |rule: &AddressRule, url: &str| rule.check_literal(&Url::parse(url).unwrap());
        assert!(check(&strict(&[]), "http://169.254.169.254/").is_err());
        assert!(check(&strict(&[]), "http://[::1]:5000/").is_err());
        assert!(check(&strict(&["::1"]), "http://[::1]:5000/").is_ok());
        assert!(check(&strict(&[]), "http://10.0.0.1/").is_ok());
    }
}
