//! Builds what tests load, fixtures and a part of the corpus, and the examples that they run, for
//! guests that cannot, and prints the directory they are in.

fn main() {
    hachi_tests::build_fixtures();
    hachi_tests::accept::carried();
    hachi_tests::build_aya_objects(&hachi_tests::fixtures_dir().join("aya"));
    hachi_tests::build_examples_for_guests();
    // Ten projects, for one test program.
    if std::env::var_os("HACHI_TEMPLATES").is_some() {
        hachi_tests::build_templates_for_guests();
    }
    println!("{}", hachi_tests::fixtures_dir().display());
}
