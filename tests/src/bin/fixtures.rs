//! Builds the fixtures that tests load, for guests that cannot, and prints the directory they are in.

fn main() {
    for (name, options) in hachi_tests::FIXTURES {
        hachi_tests::fixture_with(name, options);
    }
    println!("{}", hachi_tests::fixtures_dir().display());
}
