//! The project's own commands: demo, test, bench and codegen.
fn main() {}
