//! Provost: who built this image, and may it run?
