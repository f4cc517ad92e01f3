//! An HTTP client for services beside registries (certificate authorities, logs, clocks), by the same rules: proxies,
//! addresses that must not be asked, roots read only when a certificate has to be judged.

use crate::StoreError;
use crate::address_rule::GuardedResolver;
use crate::limits::{CONNECT_TIME, IDLE_TIME};
use crate::remote::RemoteOptions;
use crate::tls::client_config;

/// A client with these options' TLS, proxies, address rule and user agent; it follows no redirects.
///
/// # Errors
/// When the options' files cannot be read.
pub fn service_client(options: &RemoteOptions) -> Result<reqwest::Client, StoreError> {
    let chosen = options.proxies.read()?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(&options.tls)?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .proxy(reqwest::Proxy::custom(move |url| chosen.to(url)))
        .referer(false)
        .user_agent(&options.user_agent)
        .connect_timeout(CONNECT_TIME)
        .read_timeout(IDLE_TIME)
        .dns_resolver(GuardedResolver(options.addresses.clone()))
        .build()
        .map_err(|error| StoreError::Malformed {
            request: "the service client".to_owned(),
            reason: error.to_string(),
        })
}
