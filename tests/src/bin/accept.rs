//! Builds the corpus of `tests/accept` below a directory: `accept DIRECTORY [--generated COUNT]`
//! makes all idioms, and as many of the generated programs. Prints where the part is that tests
//! read.

use std::path::Path;

use hachi_tests::accept::{Share, build};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (directory, share) = match arguments[..] {
        [directory] => (directory, Share::ALL),
        [directory, "--generated", count] => {
            let generated = count.parse().expect("a number of programs");
            let all_idioms = true;
            (
                directory,
                Share {
                    all_idioms,
                    generated,
                },
            )
        }
        _ => panic!("usage: accept DIRECTORY [--generated COUNT]"),
    };
    let directory = std::path::absolute(directory).expect("a path");
    println!("{}", build(Path::new(&directory), share).path().display());
}
