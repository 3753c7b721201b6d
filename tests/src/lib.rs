//! Integration tests of Hachi, by capability.
