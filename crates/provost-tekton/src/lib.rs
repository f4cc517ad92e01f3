//! Tekton's objects and a runner for one machine.
