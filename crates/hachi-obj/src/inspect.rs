//! What tools show of an object.
