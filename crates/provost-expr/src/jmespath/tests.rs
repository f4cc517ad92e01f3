//! Tests of jmespath.
