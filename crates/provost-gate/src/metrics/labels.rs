//! Label values of a bounded number.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, PoisonError, RwLock};

/// The labels of one series.
pub(super) type Labels = Vec<(&'static str, String)>;

/// How many values one kind of label has at most.
pub(super) const VALUES: usize = 256;
/// How many series one metric has at most, since they are products of values: 4,096 histograms of 14 buckets take 2 MiB,
/// and Prometheus reads 60,000 lines.
pub(super) const SERIES: usize = 4096;
/// The most bytes of one value: names of objects have 253.
const LENGTH: usize = 253;
/// What all further values count as.
pub(super) const OTHER: &str = "other";

/// The series that were used, by a digest of what their labels are made of: finding one again by its labels takes longer
/// than counting it.
#[derive(Debug)]
pub(super) struct Used<T>(RwLock<HashMap<u64, T>>);

impl<T> Default for Used<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Used<T> {
    /// The series of what its labels are made of, found by `find` where it has not been used.
    pub(super) fn of(&self, made_of: impl Hash, find: impl FnOnce() -> T) -> T {
        let mut hasher = DefaultHasher::new();
        made_of.hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let found = find();
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What labels are made of is not bounded as the labels are.
        if all.len() >= SERIES {
            all.clear();
        }
        all.insert(key, found.clone());
        found
    }
}

/// Remembers which values a kind of label has had.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    seen: Mutex<HashMap<&'static str, HashSet<String>>>,
    series: Mutex<HashMap<&'static str, HashSet<u64>>>,
}

impl Bounded {
    /// The labels, or where this metric has too many series, the same without what objects and policies say.
    pub(super) fn fit(&self, metric: &'static str, labels: &Labels) -> Labels {
        let mut hasher = DefaultHasher::new();
        labels.hash(&mut hasher);
        let one = hasher.finish();
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = series.entry(metric).or_default();
        if series.contains(&one) || series.len() < SERIES {
            series.insert(one);
            return labels.clone();
        }
        let given = |name: &str| name.starts_with("resource_n") || name.ends_with("_name");
        labels
            .iter()
            .map(|(name, value)| (*name, if given(name) { OTHER.to_owned() } else { value.clone() }))
            .collect()
    }

    /// The value, or [`OTHER`] where this label has had too many others.
    pub(super) fn of(&self, label: &'static str, value: &str) -> String {
        let value = crate::log::cut(value, LENGTH);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.entry(label).or_default();
        if seen.contains(&value) {
            return value;
        }
        if seen.len() >= VALUES {
            return OTHER.to_owned();
        }
        seen.insert(value.clone());
        value
    }
}
