//! What Tekton Chains attests, in which format, and where it goes.
