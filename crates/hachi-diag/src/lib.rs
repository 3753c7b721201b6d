//! Verifier logs explained in terms of Rust source lines.
