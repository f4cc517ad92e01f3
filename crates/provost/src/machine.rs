//! The clock, the lots and the name resolution of this machine, for the expressions inside policies.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{IpAddr, ToSocketAddrs as _};

use provost_expr::environment::{Clock, Random, Resolver};
use provost_expr::go_time::Instant;

/// This machine.
pub(crate) struct Machine;

impl Clock for Machine {
    fn now(&self) -> Instant {
        let now = jiff::Zoned::now();
        Instant {
            seconds: now.timestamp().as_second(),
            nanoseconds: u32::try_from(now.timestamp().subsec_nanosecond()).unwrap_or(0),
            offset: now.offset().seconds(),
        }
    }
}

impl Random for Machine {
    fn below(&self, bound: u32) -> u32 {
        // Expressions draw names for tests and messages; the hasher's seed is random enough for those.
        let drawn = RandomState::new().build_hasher().finish();
        u32::try_from(drawn % u64::from(bound.max(1))).unwrap_or(0)
    }
}

impl Resolver for Machine {
    fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        let found = (host, 0).to_socket_addrs().ok()?;
        Some(found.map(|address| address.ip()).collect())
    }
}
