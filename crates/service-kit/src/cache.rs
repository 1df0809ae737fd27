//! A read cache in two levels.
