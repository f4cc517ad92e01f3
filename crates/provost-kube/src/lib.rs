//! The only place that meets a cluster.
