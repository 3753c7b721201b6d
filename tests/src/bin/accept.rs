//! Builds the corpus of `tests/accept` below a directory: `accept DIRECTORY [some]`. Prints where
//! the part is that tests read.

use std::path::Path;

use hachi_tests::accept::{Share, build};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let share = match arguments.get(1).map(String::as_str) {
        None => Share::All,
        Some("some") => Share::Some,
        Some(other) => panic!("expected `some`, not `{other}`"),
    };
    let directory = arguments.first().expect("a directory to build in");
    let directory = std::path::absolute(directory).expect("a path");
    println!("{}", build(Path::new(&directory), share).path().display());
}
