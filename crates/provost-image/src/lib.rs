//! Builds images from a folder and a Dockerfile, without a container engine.
