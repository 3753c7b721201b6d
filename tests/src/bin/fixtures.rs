//! Builds the fixtures that tests load, for guests that cannot, and prints the directory they are in.

fn main() {
    hachi_tests::build_fixtures();
    println!("{}", hachi_tests::fixtures_dir().display());
}
