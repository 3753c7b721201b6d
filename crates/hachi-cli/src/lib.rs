//! The hachi command: new, build, run, check, dis, inspect and more.
