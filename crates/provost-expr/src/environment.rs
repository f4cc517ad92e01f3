//! What the languages may not do themselves: tell the time, draw lots, resolve host names, know the configuration.

use std::net::IpAddr;

use crate::go_time::Instant;
use crate::image::ImageDefaults;

/// Tells the time; the languages read no clock of their own.
pub trait Clock {
    /// The current time, with the offset in which `time_now` should print it.
    fn now(&self) -> Instant;
}

/// Draws numbers for `random`.
pub trait Random {
    /// A number from 0 up to, not including, `bound` (0 when `bound` is 0).
    fn below(&self, bound: u32) -> u32;
}

/// Resolves host names for `is_external_url`.
pub trait Resolver {
    /// The addresses of a host; `None` when it cannot be resolved, for whatever reason.
    fn addresses(&self, host: &str) -> Option<Vec<IpAddr>>;
}

/// Everything an expression may ask for besides its document.
#[derive(Clone, Copy, Default)]
pub struct Environment<'a> {
    /// Without a clock, `time_now` and friends are errors.
    pub clock: Option<&'a dyn Clock>,
    /// Without lots, `random` is an error.
    pub random: Option<&'a dyn Random>,
    /// Without a resolver, `is_external_url` of a name is an error.
    pub resolver: Option<&'a dyn Resolver>,
    /// How `image_normalize` completes image strings.
    pub images: ImageDefaults<'a>,
}
