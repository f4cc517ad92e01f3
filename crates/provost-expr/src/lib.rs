//! The languages inside Kyverno policies: JMESPath, wildcards, quantities, durations, operators.
