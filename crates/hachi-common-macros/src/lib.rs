//! The Pod derive macro of hachi-common.
