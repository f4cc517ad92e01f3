//! From when to when something counts.

use jiff::Timestamp;

/// A span of time whose bounds belong to it; a bound that is not there is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub start: Option<Timestamp>,
    /// The last moment.
    pub end: Option<Timestamp>,
}

impl Window {
    /// Whether this moment lies in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_belong_to_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window { start: Some(at(10)), end: Some(at(20)) };
        for (second, inside) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(window.contains(at(second)), inside, "{second}");
        }
        assert!(Window::default().contains(at(0)));
    }
}
