//! The clock, the lots and the name resolution of this machine, for expressions typed at it.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, ToSocketAddrs};

use provost_expr::environment::{Clock, Random, Resolver};
use provost_expr::go_time::Instant;

/// The system's clock in the system's time zone.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let now = jiff::Zoned::now();
        let timestamp = now.timestamp();
        Instant {
            seconds: timestamp.as_second(),
            nanoseconds: u32::try_from(timestamp.subsec_nanosecond()).unwrap_or(0),
            offset: now.offset().seconds(),
        }
    }
}

/// Numbers nobody can foresee who does not see the process: a keyed hash of a counter. Nothing secret is made of
/// them, only names.
#[derive(Default)]
pub(crate) struct Lots {
    keys: RandomState,
    drawn: Cell<u64>,
}

impl Random for Lots {
    fn below(&self, bound: u32) -> u32 {
        let drawn = self.drawn.get().wrapping_add(1);
        self.drawn.set(drawn);
        let number = self.keys.hash_one(drawn);
        // The remainder of a 64-bit number is even enough for every 32-bit bound.
        u32::try_from(number % u64::from(bound.max(1))).unwrap_or(0)
    }
}

/// The system's resolver.
pub(crate) struct SystemResolver;

impl Resolver for SystemResolver {
    fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        let found = (host, 0).to_socket_addrs().ok()?;
        Some(found.map(|address| address.ip()).collect())
    }
}
